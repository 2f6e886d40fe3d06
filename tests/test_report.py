"""The instructor's report: every number in it comes from the results, and nothing in it runs."""

import csv

import pytest
from small_course import NAME, VERDICTS

from autograder import course
from autograder.desk import charts, report


@pytest.fixture
def written(folder):
    table = folder.parent / "report.csv"
    page = report.write(NAME, table=table)
    return page.read_text(encoding="utf-8"), table


def test_the_page_shows_what_happened(written):
    page, _ = written
    assert "67 %</strong> (2 of 3) <code>mean_path_missing</code>" in page, "clusters of slips"
    assert "33 %" in page, "pass rate of a task"
    assert "1.25" in page and "S3 (3)" in page and "3 submissions" in page
    assert "mean 5.7, median 0.0" in page
    assert "bob@example.org</th><td>backward-speed</td>" in page, "a crash is for a person to look at"
    assert "1 of them waits for a person" in page


def test_the_page_is_self_contained_and_escaped(written):
    page, _ = written
    assert "<script" not in page and "<i>the mean" not in page and "&lt;script&gt;" in page
    assert "src=" not in page and "@import" not in page and "<link" not in page
    assert "default-src &#39;none&#39;" in page


def test_the_table_has_a_line_for_each_student_and_task(written):
    with open(written[1], newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(map(len, VERDICTS.values()))
    by_key = {(row["student"], row["task"]): row for row in rows}
    assert by_key["bob@example.org", "backward"]["slip"] == "mean_path_missing"
    assert by_key["ann", "backward-speed"]["times_the_solution"] == "1.25"


def test_points_by_hand_are_counted(folder):
    from autograder.gradebook import Course

    with Course().gradebook() as book:
        grade = book.find_grade("derive-dx", NAME, NAME, "Zoë Ó Brien")
        grade.manual_score, grade.needs_manual_grade = 6.0, False
        book.db.commit()
    line = next(line for line in report.gather(NAME) if line.student == "Zoë Ó Brien")
    assert line.score == 6.0 and not line.waiting
    assert "graded by a person" in report.html(NAME, [line])


def test_nothing_graded_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_COURSE", str(tmp_path))
    with pytest.raises(course.CourseError, match="is graded yet"):
        report.write(NAME)


@pytest.mark.parametrize("totals", [[0.0], [50.0] * 7, [0.0, 12.5, 49.9, 50.0]])
def test_bins_hold_everybody(totals):
    assert sum(count for _, _, count in charts.binned(totals, 50.0)) == len(totals)


def test_the_page_fits_a_phone_and_asks_for_nothing(browser, folder):
    page = report.write(NAME)
    for width in (390, 1440):
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
            tab, asked = context.new_page(), []
            tab.on("request", lambda request, asked=asked: asked.append(request.url))
            tab.goto(page.as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert asked == [page.as_uri()]
            assert all(tab.get_by_role("img").nth(i).get_attribute("aria-label") for i in range(2))
            context.close()
