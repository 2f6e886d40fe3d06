"""nbgrader's `zip_collect` for what a learning platform hands over.

`nbgrader zip_collect NAME` reads the archives in downloaded/NAME/archive with the same care as
`python -m autograder collect`: regular files alone, limits on size and ratio, no time stamp from inside.
"""

import datetime
from pathlib import Path

from nbgrader.plugins import ExtractorPlugin, FileNameCollectorPlugin

from autograder import course
from autograder.collecting import collect
from autograder.collecting.submitted import STAMP


class PlatformExtractor(ExtractorPlugin):
    """`ZipCollectApp.extractor_plugin`: writes STUDENT/NAME.ipynb for each submission in the archives.

    An archive that cannot be read costs only itself; each file that is left out is named in the log.
    """

    def extract(self, archive_path, extracted_path):
        name = Path(archive_path).parent.name
        found = set()
        for source in [Path(archive_path), *sorted(Path(archive_path).rglob("*.zip"))]:
            try:
                inside = collect.search(source, name)
                submissions, problems = inside.submissions, inside.problems
                if inside.people.changed:
                    inside.people.write()
            except (course.CourseError, OSError, ValueError) as error:
                submissions, problems = {}, [f"{source.name}: {error}"]
            for problem in problems:
                self.log.warning("left out: %s", problem)
            for student, data in submissions.items():
                if student in found:
                    self.log.warning("left out: %s holds a second submission of %s", source.name, student)
                    continue
                found.add(student)
                target = Path(extracted_path) / student / f"{name}.ipynb"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)


class PlatformCollector(FileNameCollectorPlugin):
    """`ZipCollectApp.collector_plugin` for the folders that PlatformExtractor writes."""

    def collect(self, submitted_file):
        path = Path(submitted_file)
        now = datetime.datetime.now(datetime.UTC).strftime(STAMP)
        return {"student_id": path.parent.name, "file_id": path.stem, "timestamp": now}
