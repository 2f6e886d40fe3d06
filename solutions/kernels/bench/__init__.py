"""What a GPU has to tell about speed: `make gpu`, which is `python -m solutions.kernels.bench`.

__main__.py      all of it in one call: sanitizer, repeats, table, training, tests -> book/measured/gpu.json
figures.py       what the figures say: goals, the words in README, which files have changed since
contenders.py    who is measured: every tier and layout, notebook 09's kernels, PyTorch, a copy
measure.py       seconds on the device, in turn and behind flushed caches; medians with intervals
answers.py       a student's kernels out of a notebook or a script, to be trained with
training.py      a small network with any kernels inside; the same in NumPy on a CPU
"""
