"""What depends on our own solutions alone is computed once for all students, and again for another question."""

from bnlab import checking

from autograder.authoring.script import Script
from autograder.grading.referee import Referee


def test_once_for_all_students():
    calls = []

    def compute():
        calls.append(1)
        return len(calls)

    script = Script.of("03_forward")
    assert checking.once("a", compute) == 1 and checking.once("a", compute) == 2, "at home nothing is kept"
    found = []
    for student in ("ann", "bob"):
        judge = Referee(script, {}, None, None, None, b"", student)
        for cell in script.of_kind("test")[:2]:
            judge.cell = cell
            token = checking.referee.set(judge)
            try:
                found.append([checking.once(key, compute) for key in ("a", "b", "a")])
            finally:
                checking.referee.reset(token)
    assert found == [[3, 4, 3], [5, 6, 5]] * 2
