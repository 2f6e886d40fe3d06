# Two commands set everything up: `make course` and `make test`. Both can be repeated at any time.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS := 1
export PYTHONPATH := exercises

.PHONY: course test book linkcheck audit axe live nvcc address site offline pdf card serve release grade sample-class certify attacks attacks-nbgrader bench-speed \
  bench-grading experiments gpu published colab bench-scale wheel student-zip lint clean help

help:  ## show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

course: .venv/installed  ## set up, build the website, release the exercises, grade the sample class
	@$(BIN)/python -m autograder release
	@$(MAKE) --no-print-directory book
	@$(MAKE) --no-print-directory grade
	@echo
	@echo "The course is ready."
	@echo "  read    make serve                                         then open http://localhost:8000"
	@test -d _build/html/live || echo "          (without cells that run in the page: Python for browsers could not be fetched)"
	@echo "  learn   .venv/bin/jupyter lab exercises/03_forward.ipynb"
	@echo "  sample  BN_COURSE=_build/sample_course .venv/bin/python -m autograder report 03_forward"
	@echo "  grade   .venv/bin/python -m autograder --help              and autograder/README.md"
	@echo "Next: open the website, do the first exercise, or run 'make test'."

test: .venv/installed  ## run everything that must hold
	@$(BIN)/python -m pytest -n auto --dist loadgroup $(PYTEST)
	@echo "All of it holds. Next: 'make course', or open a pull request (CONTRIBUTING.md)."

book: .venv/installed  ## build the website strictly into _build/html
	@$(BIN)/python book/tools/build.py 2> >(grep -v IPKernelApp >&2)
	@echo "website: _build/html/index.html"

linkcheck: .venv/installed  ## follow every link to other sites (needs the network)
	@$(BIN)/python book/tools/build.py --builder linkcheck --path-output _build/linkcheck

audit: _build/lighthouse  ## measure the built website with Lighthouse, beside Jupyter Book as it comes
	@$(BIN)/python book/tools/default_look.py
	@cd _build/lighthouse && node $(CURDIR)/book/tools/audit.mjs $(CURDIR)/_build/html,$(CURDIR)/_build/default/_build/html \
	  book/index.html book/06_transform.html book/11_scale_invariance.html exercises/03_forward.html

_build/lighthouse:
	@mkdir -p $@ && cd $@ && npm init -y >/dev/null && npm install --silent --no-audit --no-fund lighthouse@12 chrome-launcher@1

axe: .venv/installed  ## look for what shuts people out, on every page (a sample of pages is part of `make test`)
	@AXE=all $(BIN)/python -m pytest -q tests/test_axe.py

site: book  ## write dist/site, the folder to publish
	@$(BIN)/python book/tools/pack.py site

offline: book  ## write dist/course-offline.zip, the website for machines without a network
	@$(BIN)/python book/tools/pack.py offline

pdf: book  ## write dist/course.pdf, the whole book (needs Chromium)
	@$(BIN)/python book/tools/pdf.py

card: ## draw book/_static/card.png, what a link to the course shows elsewhere (needs Chromium)
	@chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1200,630 \
	  --screenshot=$(CURDIR)/book/_static/card.png $(CURDIR)/book/card.svg 2>/dev/null

live: .venv/installed  ## do all of notebooks 01 to 06 in a browser (one check of each kind is part of `make test`)
	@LIVE=all $(BIN)/python -m pytest -q tests/test_live_cells.py

serve:  ## show the built website at http://localhost:8000
	@test -d _build/html || { echo "there is no website yet: run 'make course' first"; exit 1; }
	@$(PYTHON) -m http.server --bind 127.0.0.1 --directory _build/html 8000

release: .venv/installed  ## write exercises/*.ipynb and fingerprints from solutions/*.py
	@$(BIN)/python -m autograder release

# The sample class holds a file that is no notebook: `grade` names it and ends with 1, which is what it should do.
# It has a course folder of its own: the instructor's gradebook begins empty.
grade: .venv/installed  ## grade the sample class, in a course folder of its own
	@export BN_COURSE=_build/sample_course BN_DATABASE=; mkdir -p $$BN_COURSE; \
	for name in 03_forward 04_backward; do \
	  $(BIN)/python -m autograder collect $$name --from autograder/sample_class; \
	  $(BIN)/python -m autograder grade $$name || test $$? -eq 1; \
	  $(BIN)/python -m autograder feedback $$name; \
	done

sample-class: .venv/installed  ## write autograder/sample_class again from the solutions
	@$(BIN)/python -m autograder.bench.sample_class

certify: .venv/installed  ## the whole certificate: 50 seeds, every slip, 200 races under load (an hour)
	@$(BIN)/python -m autograder certify

attacks: .venv/installed  ## the whole corpus of hostile submissions through the grader, the slow ones included
	@BN_ATTACKS=all $(BIN)/python -m pytest tests/test_attacks.py -q

attacks-nbgrader: .venv/installed  ## the same corpus through unmodified nbgrader, in a sandbox: autograder/attacks.md
	@$(BIN)/python -m tests.attacks.compare_nbgrader

bench-speed: .venv/installed  ## how often the speed check is wrong: 1,000 races in each row (an hour or two, in quiet)
	@$(BIN)/python -m autograder.bench.speed

bench-grading: .venv/installed  ## seconds a submission beside unmodified nbgrader (five minutes, in quiet)
	@$(BIN)/python -m autograder.bench.grading

bench-scale: .venv/installed  ## time and memory of large classes, measured up to 300 and drawn on to 3,000
	@$(BIN)/python -m autograder.bench.scale

published: .venv/installed  ## write the public repository and build its whole website there (a few pages are part of `make test`)
	@PUBLISHED=all $(BIN)/python -m pytest -q tests/test_publish.py

colab: .venv/installed  ## run the set-up cells in clean environments with Colab's versions (Python 3.12, 3.13)
	@$(BIN)/python tests/colab.py

experiments: .venv/installed  ## run all experiments of the book again into book/results (20 minutes on 2 cores)
	@$(BIN)/python book/experiments

nvcc: _build/nvcc  ## put NVIDIA's compiler into _build/nvcc, for the tests of kernels (Linux, 350 MB)

_build/nvcc: | .venv/bin/python
	@$(BIN)/python -m pip install -q --disable-pip-version-check --target $@ nvidia-cuda-nvcc==13.5.37 nvidia-cuda-crt==13.5.37 \
	  nvidia-nvvm==13.5.37 nvidia-cuda-runtime==13.5.37 nvidia-cuda-cccl==13.3.5.0.6

gpu:  ## on a machine with an NVIDIA GPU (NumPy, CuPy, PyTorch, pytest): all that is said about speed, in 8 minutes
	@$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) -m solutions.kernels.bench $(GPU)

wheel: .venv/installed  ## build the wheel of bnlab into dist/
	@$(BIN)/pip wheel -q --no-deps --wheel-dir dist .

student-zip: .venv/installed  ## write dist/student.zip, what students get
	@$(BIN)/python -m autograder.authoring.student_zip

lint: .venv/installed  ## check the style of all Python files
	@$(BIN)/ruff check .

address: .venv/installed  ## carry title and address of the course from _config.yml to all files that name them
	@$(BIN)/python book/tools/rename.py
	@$(MAKE) --no-print-directory release sample-class

clean:  ## remove what was built (never the gradebook)
	rm -rf _build build dist

.venv/installed: requirements.txt constraints.txt | .venv/bin/python
	@command -v g++ >/dev/null || { echo "g++ is missing: apt-get install g++"; exit 1; }
	@command -v bwrap >/dev/null || { echo "bubblewrap is missing: apt-get install bubblewrap"; exit 1; }
	@echo "installing the packages of requirements.txt into .venv (a few minutes, once) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 14) else f"this course needs Python 3.11 to 3.14 and found {v[0]}.{v[1]}; run make PYTHON=python3.12 course")'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python cannot make virtual environments here: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv .venv
