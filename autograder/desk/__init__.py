"""The instructor's desk: what happens around grading. Nothing here decides a score.

commands   what is typed, and what it prints               late       due dates, extensions, penalties
verdicts   what the referee's messages say, row by row     roster     the class, as the platform lists it
feedback   the page that a student gets back               platforms  the lists that platforms export, row by row
back       feedback pages in one zip, for the platform     export     scores for a spreadsheet, Canvas, Moodle
report     what a notebook did with the class              archives   nbgrader's zip_collect for platforms' archives
written    answers for a person, on a sheet without names  transfer   a gradebook into another database
waiting    points that wait for a GPU                      publish    the repository without solutions
stale      grades that are not of what came in last        leaks      what must not leave the instructor's
forget     one student's data, removed everywhere          doctor     is this installation fit?
pages      what the HTML pages share                       charts     the pictures of the report
"""
