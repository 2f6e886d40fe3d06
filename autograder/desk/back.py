"""Feedback pages in one zip, each under the name of what its student handed in: so platforms know whose they are.

Moodle's "Upload multiple feedback files in a zip" goes by the names that its own download has, and so should Canvas's
"Upload Submissions". The tests hold the names; neither was tried on a live platform, as autograder/README.md says.
"""

import os
import zipfile

from autograder import course
from autograder.collecting import collect, layouts, people


def pack(name, source):
    """Write the zip.

    Parameters
    ----------
    name : str
        The notebook, whose pages `feedback` has written.
    source : str or Path
        The archive that was collected from.

    Returns
    -------
    path : Path
        feedback/NAME.zip in the course folder.
    count : int
        Pages in it.
    without : list of str
        What the archive holds of people without a page.

    Raises
    ------
    CourseError
    """
    folder = course.course_folder() / "feedback"
    path = folder / f"{name}.zip"
    if not zipfile.is_zipfile(source):
        raise course.CourseError(f"{source} is not a .zip archive; name the one that you collected from")
    best, without = places(name, source)
    pages = {student: folder / student / name / f"{name}.html" for student in best}
    found = {student: place for student, place in best.items() if pages[student].is_file()}
    if not found:
        raise course.CourseError(
            f"{source} names nobody who has a page of {name}; name the one that you collected from"
        )
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for student, place in sorted(found.items(), key=lambda pair: str(pair[1])):
            archive.write(pages[student], place.with_suffix(".html").as_posix())
    temporary.replace(path)
    without += [f"{best[student]}: no page of {student}" for student in sorted(set(best) - set(found))]
    return path, len(found), without


def places(name, source):
    """Student -> the path in an archive under which the notebook lies, and lines on files of nobody."""
    with zipfile.ZipFile(source) as archive:
        files = [parts for parts, _, problem in collect.members(archive) if not problem]
    canvas = any(layouts.is_canvas(parts, name) for parts in files)
    senders = {parts: layouts.sender_of(parts, name, canvas) for parts in files}
    senders = {parts: (sender, fits) for parts, (sender, fits) in senders.items() if sender is not None}
    known, unknown = people.read().resolve([sender for sender, _ in senders.values()])
    found = {}
    for parts, (sender, _) in sorted(senders.items(), key=lambda pair: layouts.rank(pair[0], name, pair[1][1])):
        if sender in known:
            found.setdefault(known[sender], parts)
    return found, [f"{sender.label}: {why}" for sender, why in unknown.items()]
