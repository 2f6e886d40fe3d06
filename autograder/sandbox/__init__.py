"""In the process of a student: what runs there beside the answers. Run by path; nothing of the grader is imported.

zygote   libraries loaded, workers forked     worker   a student's cells and calls
wire     frames between worker and referee    jail     limits, Landlock, seccomp
watch    notes on what code tries             absent   lies in the place of torch
"""
