"""Is the grader fit? It is tried on answers whose scores are known, and measured.

certify       right answers pass, known slips are named     made_up      answers as students would have typed them
speed         how often a race is wrong                     sample_class a class to try, autograder/sample_class
grading       seconds a submission, beside plain nbgrader   scale        time and memory of large classes
figures       what they found, into README.md
"""
