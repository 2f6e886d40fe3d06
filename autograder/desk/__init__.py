"""The instructor's desk: what happens around grading. Nothing here decides a score.

verdicts   what the referee's messages say, row by row     late      due dates, extensions, penalties
feedback   the page that a student gets back               roster    the class, as the LMS lists it
report     what a notebook did with the class              export    scores for a spreadsheet, Canvas, Moodle
forget     one student's data, removed everywhere          archives  nbgrader's zip_collect for LMS archives
written    answers for a person, on a sheet without names  transfer  a gradebook into another database
publish    the repository without solutions                leaks     what must not leave the instructor's
doctor     is this installation fit?                       pages     what the HTML pages share
"""
