"""Inside the sandbox of compare_nbgrader.py: grade one attacker and one honest student with unmodified nbgrader.

Prints one line of JSON: the points of both (None: not graded), and whether something forbidden succeeded.
"""

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

name = sys.argv[1]
subprocess.run(["cp", "-r", "/template/.", "/course"], check=True)
shutil.copytree("/inbox", "/course/submitted")
secret = Path("/canary/secret")
secret.write_text("canary")
Path("/home/grader/.bashrc").write_text("# mine\n")
tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
tcp.bind(("127.0.0.1", 8765))
udp.bind(("127.0.0.1", 8766))
tcp.listen()

subprocess.run(
    [sys.executable, "-m", "nbgrader", "autograde", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
)

with sqlite3.connect("/course/gradebook.db") as book:
    query = (
        "SELECT a.student_id, sum(g.auto_score), count(g.auto_score) FROM grade g "
        "JOIN submitted_notebook n ON n.id = g.notebook_id "
        "JOIN submitted_assignment a ON a.id = n.assignment_id GROUP BY a.student_id"
    )
    points = {student: score for student, score, count in book.execute(query) if count}
graded = Path("/course/autograded/mallory", name, f"{name}.ipynb")
cells = json.loads(graded.read_text())["cells"] if graded.exists() else []
printed = json.dumps([cell.get("outputs") for cell in cells]).replace("alert('ESCAPED')", "")
marks = [Path("/tmp/bn-attack"), Path("/tmp/bn-attack-daemon"), Path("/dev/shm/bn-attack"), Path("/canary/new")]
escaped = "ESCAPED" in printed or any(mark.exists() for mark in marks) or secret.read_text() != "canary"
escaped |= Path("/home/grader/.bashrc").read_text() != "# mine\n"
note = "" if graded.exists() else "no grade"
found = {"points": points.get("mallory"), "other": points.get("zoe"), "escaped": escaped, "note": note}
print(json.dumps(found), flush=True)
