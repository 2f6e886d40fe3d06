"""Lies in the place of torch for workers that answer NumPy tasks (autograder/grading/isolation.py)."""

raise ModuleNotFoundError("No module named 'torch': this notebook is graded with NumPy alone", name="torch")
