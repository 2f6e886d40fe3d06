"""What a student imports: `check` an answer, ask for a `hint`, test a gradient, load the digits.

Importing bnlab needs NumPy only; torch, CuPy, matplotlib and scikit-learn are imported where they are used.
"""

from bnlab.checking import check, examine, hint, race, race_on_gpu
from bnlab.gradient import check_gradient
from bnlab.needs import lacks
from bnlab.overview import progress
from bnlab.timing import passes

__version__ = "0.2.0"
__all__ = ["check", "check_gradient", "examine", "hint", "lacks", "passes", "progress", "race", "race_on_gpu"]
