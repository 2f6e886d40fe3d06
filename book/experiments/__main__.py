"""Run all experiments of this folder again, or some: their cases share the processes, so that no core waits."""

import argparse
import importlib
import time

import lab


def experiments() -> dict:
    """Name -> experiment, of every file here that has one."""
    modules = (importlib.import_module(path.stem) for path in sorted(lab.FOLDER.glob("[!_]*.py")))
    return {module.EXPERIMENT.name: module.EXPERIMENT for module in modules if hasattr(module, "EXPERIMENT")}


def main() -> None:
    known = experiments()
    parser = argparse.ArgumentParser(prog="python book/experiments", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"by default all: {', '.join(known)}")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes, by default one a core")
    given = parser.parse_args()
    strangers = [name for name in given.names if name not in known]
    if strangers:
        parser.error(f"there is no experiment {strangers[0]!r}: choose from {', '.join(known)}")
    started = time.perf_counter()
    chosen = [known[name] for name in given.names or known]
    for path in lab.run_all(chosen, given.jobs):
        print(lab.said(path))
    print(f"{len(chosen)} experiments in {(time.perf_counter() - started) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
