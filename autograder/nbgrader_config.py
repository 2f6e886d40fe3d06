"""Configuration of nbgrader for this course; used by `nbgrader` in this folder and by `python -m autograder`."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nbgrader.converters import Autograde, GenerateAssignment  # noqa: E402

from autograder import course
from autograder.desk import archives, feedback, late  # noqa: E402
from autograder.recording import plugins  # noqa: E402


def swap(names, **replacements):
    """nbgrader's own list with some of its steps replaced by ours."""
    return [replacements.get(step.__name__, step) for step in names]


c = get_config()  # noqa: F821

c.CourseDirectory.root = str(course.course_folder())
c.CourseDirectory.course_id = "batch_normalization"
if os.environ.get("BN_DATABASE"):
    c.CourseDirectory.db_url = course.database_url()
elif course.copied_to():  # the formgrader must not write into the old one
    c.CourseDirectory.db_url = course.driven(course.copied_to())

c.GenerateAssignment.preprocessors = swap(GenerateAssignment.preprocessors.default(), ClearSolutions=plugins.NamedStub)
c.Autograde.exporter_class = plugins.RebuildingExporter
c.Autograde.autograde_preprocessors = swap(
    Autograde.autograde_preprocessors.default(),
    Execute=plugins.RefereeExecute,
    SaveAutoGrades=plugins.RefereeGrades,
    AssignLatePenalties=late.DueDates,
)
c.NotebookExporter.optimistic_validation = True  # the notebook is checked after all steps instead of after each
c.OverwriteCells.add_missing_cells = True
c.Execute.skip_cells_with_tag = "never"
c.AssignLatePenalties.plugin_class = late.DailyPenalty
for key, value in late.settings().get("late", {}).items():
    c.DailyPenalty[key] = float(value)
c.ZipCollectApp.extractor_plugin = archives.PlatformExtractor
c.ZipCollectApp.collector_plugin = archives.PlatformCollector
c.GenerateFeedback.exporter_class = feedback.FeedbackExporter
c.GenerateFeedback.preprocessors = [feedback.FeedbackGrades]
c.HTMLExporter.sanitize_html = True
