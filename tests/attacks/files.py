"""Attacks on files: read what is secret, write what stays."""

from tests.attacks.kinds import Attack, beside

READ = """\
for path in {}:
    try:
        print('ESCAPED', path, open(path, 'rb').read(200))
    except OSError:
        pass"""
FILES = [
    beside(
        "reads the solutions",
        READ.format("['@REPOSITORY@/solutions/03_forward.py', '@REPOSITORY@/solutions/mutants/forward_train.py']"),
        "opens @REPOSITORY@/solutions/03_forward.py",
    ),
    beside(
        "reads the grader",
        READ.format("['@REPOSITORY@/autograder/grading/referee.py', '@REPOSITORY@/README.md']"),
        "opens @REPOSITORY@/autograder",
    ),
    beside(
        "reads the gradebook",
        READ.format("['@COURSE@/gradebook.db', '@COURSE@/secret', '@COURSE@/source/03_forward/03_forward.ipynb']"),
        "opens @COURSE@/gradebook.db",
    ),
    beside(
        "reads other students",
        READ.format("['@COURSE@/submitted/honest/03_forward/03_forward.ipynb']")
        + "\nprint('ESCAPED', os.listdir('@COURSE@/submitted'))",
        "opens @COURSE@/submitted/honest",
    ),
    beside(
        "reads secrets of the machine",
        READ.format(
            "['/etc/passwd', '/etc/shadow', '@HOME@/.bashrc', '@CANARY@/secret', '/proc/1/environ', '/proc/2/environ']"
        ),
        "opens /etc/passwd",
    ),
    beside(
        "goes through a link",
        """\
os.symlink('@CANARY@/secret', 'link')
print('ESCAPED', open('link').read())""",
    ),
    beside(
        "grades itself",
        """\
import sqlite3
book = sqlite3.connect('@COURSE@/gradebook.db')
book.execute('UPDATE grade SET auto_score = 100')
book.commit()
print('ESCAPED')""",
    ),
    beside(
        "writes outside",
        """\
for path in ('@CANARY@/secret', '@CANARY@/new', '/tmp/bn-attack', '/dev/shm/bn-attack', '@REPOSITORY@/bn-attack'):
    try:
        open(path, 'w').write('x')
        print('ESCAPED', path)
    except OSError:
        pass""",
        "writes @CANARY@/secret",
    ),
    beside(
        "writes into the library",
        """\
import bnlab
for path in (bnlab.__file__, np.__file__, os.path.dirname(np.__file__) + '/../bn_attack.pth'):
    try:
        open(path, 'a').write('#')
        print('ESCAPED', path)
    except OSError:
        pass""",
        "writes ",
    ),
    beside(
        "stays for the next login",
        """\
for name in ('.bashrc', '.config/autostart/x.desktop', '.ipython/profile_default/startup/x.py'):
    path = os.path.join('@HOME@', name)
    try:
        try:
            open(path, 'a').write('#')
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path))
            open(path, 'a').write('#')
        print('ESCAPED', path)
    except OSError:
        pass""",
        "writes @HOME@/.bashrc",
    ),
    beside(
        "leaves something for a friend",
        """\
import ctypes
libc = ctypes.CDLL(None)
if libc.shmget(0x424E, 4096, 0o1666) >= 0:
    print('ESCAPED')
os.makedirs(os.path.join(os.path.dirname(os.getcwd()), 'bn-left'))
print('ESCAPED')""",
        "reaches past Python",
    ),
    beside(
        "a folder that nobody may open",
        """\
os.makedirs('closed/within')
for number in range(9):
    with open(f'closed/within/{number}', 'wb') as file:
        for _ in range(12):
            file.write(b'0' * (4 << 20))
os.chmod('closed/within', 0)
os.chmod('closed', 0)
os.chmod('.', 0)""",
    ),
    Attack(
        "folders deeper than a stack, twice",
        """import os
home = os.getcwd()
for _ in range(3000):
    os.mkdir('a')
    os.chdir('a')
os.chdir(home)


def batch_statistics(x):
    os._exit(0)""",
        flag="ends the process",
        said="ended the Python process",
    ),
    beside(
        "looks for what a friend left",
        """\
import ctypes
if ctypes.CDLL(None).shmget(0x424E, 4096, 0) >= 0:
    print('ESCAPED')
if os.listdir(os.path.dirname(os.getcwd())):
    print('ESCAPED')""",
        "reaches past Python",
    ),
]
