"""In the gradebook, phase 2. No student code runs here, but plain nbgrader has `plugins` start phase 1 where it is due.

commit        results into nbgrader's gradebook             plugins      what plugs into nbgrader for that
ledger        which results are in it                       changes      what another version of the grader changes
"""
