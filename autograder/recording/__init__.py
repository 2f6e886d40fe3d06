"""In the gradebook, phase 2: no student code runs here.

commit        results into nbgrader's gradebook             plugins      what plugs into nbgrader for that
ledger        which results are in it                       changes      what another version of the grader changes
gradebook     nbgrader as a library
"""
