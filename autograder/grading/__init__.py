"""Graded, phase 1: answers in processes of students, tests in this one, and a file with the verdicts.

grade         a class, in `processes` or on a `cluster`     execute      one submission in, a result out
referee       the tests, and a verdict for each             result       verdicts, and the file that keeps them
session       a student's notebook in a worker              remote       stand-ins for what lives in a worker
worker        the grader's side of sandbox/worker.py        zygote       the grader's side of sandbox/zygote.py
isolation     what stands around student code               canaries     whether it holds
speed         a race, judged by an interval                 twin         the hidden solution in a race
gpu           processes on a GPU                            gpu_race     a race on it
attempts      what code tries beside its task               integrity    a library's layer in place of an answer
"""
