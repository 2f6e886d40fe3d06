"""Write dist/student.zip: the folder exercises/ as a student gets it, byte-identical when repeated."""

import argparse
import zipfile
from pathlib import Path

from autograder import course

SKIP = ("__pycache__", ".ipynb_checkpoints")


def write(target):
    """Write the archive.

    Parameters
    ----------
    target : Path

    Returns
    -------
    int
        Number of files in it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    paths = [path for path in sorted(course.EXERCISES.rglob("*")) if path.is_file()]
    paths = [path for path in paths if not any(part in SKIP or part.startswith(".") for part in path.parts[-3:])]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            name = f"exercises/{path.relative_to(course.EXERCISES).as_posix()}"
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return len(paths)


def main():
    given = argparse.ArgumentParser(prog="python -m autograder.authoring.student_zip", description=__doc__)
    given.add_argument(
        "--to",
        type=Path,
        default=course.REPOSITORY / "dist" / "student.zip",
        metavar="FILE",
        help="by default dist/student.zip",
    )
    target = given.parse_args().to
    print(f"{write(target)} files in {target}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
