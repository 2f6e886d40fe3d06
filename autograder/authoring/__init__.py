"""Written for students: the solutions, and what is made of them.

script        solutions/NN_topic.py, cell by cell           release      exercises/NN_topic.ipynb by nbgrader
cells         what nbgrader's metadata says of a cell       fingerprints numbers that `check` compares with
student_zip   exercises/ as one file                        kernels      tasks whose answers are kernels
"""
