"""The corpus: every hostile submission, by theme.

The code is harmless as long as the defence holds, and bounded where it does not: bombs stop at a size that a machine
survives, the network is the loopback interface, files are canaries of the test. Words in @...@ are filled in by
`build.py`. An attack that gets somewhere prints ESCAPED.
"""

from tests.attacks.files import FILES
from tests.attacks.interpreter import HOOKS, LIES
from tests.attacks.kinds import BACKWARD, DRIFT, FORWARD, TORCH
from tests.attacks.libraries import BY_LIBRARY
from tests.attacks.memory import MEMORY
from tests.attacks.processes import BOMBS, PROCESSES
from tests.attacks.timing import GUESSES, TIMED
from tests.attacks.traps import TRAPS

CORPUS = [*HOOKS, *LIES, *MEMORY, *FILES, *PROCESSES, *BOMBS, *GUESSES, *TIMED, *BY_LIBRARY, *TRAPS]
__all__ = ["BACKWARD", "CORPUS", "DRIFT", "FORWARD", "TORCH"]
