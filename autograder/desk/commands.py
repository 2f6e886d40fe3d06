"""The commands of the instructor's desk: what happens before and after grading."""

from autograder import course, logs, writing

EXAMPLES = """\
  python -m autograder feedback 03_forward                  HTML pages for the students
  python -m autograder feedback 03_forward --back class.zip   and one zip for the platform to take back
  python -m autograder report 03_forward                    what the class did: points, slips, speed
  python -m autograder report 03_forward --csv report.csv   the same as a table
  python -m autograder roster canvas_gradebook.csv          names, addresses, numbers; before collect, and again
  python -m autograder export 03_forward --format csv
  python -m autograder export 03_forward --format canvas --roster canvas_gradebook.csv
  python -m autograder export 03_forward --format canvas --roster canvas_gradebook.csv --column Exercise-3
  python -m autograder export 03_forward --format moodle --roster worksheet.csv
  python -m autograder written 04_backward                  answers for a person, on a sheet without names
  python -m autograder written 04_backward --take FILE      the points of such a sheet, into the gradebook
  python -m autograder publish --to ../public               the repository for readers, without solutions
  python -m autograder copy-gradebook --to postgresql://ME@HOST/DATABASE
  python -m autograder forget ID                            remove one student's files and records
  python -m autograder doctor                               is this installation fit, and what to do
"""
LEVELS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "wrong": ("WRONG", "red")}


def add(commands, name, says):
    """Add one command to an argparse group; `says` stands in the list of all commands and on its own page."""
    return commands.add_parser(name, help=says, description=f"{says[0].upper()}{says[1:]}.")


def add_to(commands):
    """Add the desk's commands to an argparse group."""
    feedback = add(commands, "feedback", "write the page that each student gets back")
    feedback.add_argument("name", metavar="NAME", help="the notebook, such as 03_forward")
    feedback.add_argument(
        "--back",
        metavar="ZIP",
        help="the archive that you collected from: also put all pages into one zip, named as the platform wants them",
    )

    report = add(commands, "report", "write what a notebook did with the class, for the instructor")
    report.add_argument("name", metavar="NAME", help="the notebook, such as 03_forward")
    report.add_argument("--to", metavar="FILE", help="the page, by default reports/NAME.html in the course folder")
    report.add_argument("--csv", metavar="FILE", help="also write a table: one line for each student and task")

    roster = add(commands, "roster", "take names and addresses from a learning platform's CSV file")
    roster.add_argument(
        "file",
        metavar="FILE",
        help="Canvas's exported gradebook, Moodle's worksheet or list of participants, or a table with the columns "
        "student,last_name,first_name,email",
    )

    export = add(commands, "export", "write the scores of a notebook")
    export.add_argument("name", metavar="NAME", help="the notebook, such as 03_forward")
    export.add_argument("--format", choices=["csv", "canvas", "moodle"], default="csv", help="by default csv, a table")
    export.add_argument(
        "--to", metavar="FILE", help="by default NAME.csv, NAME.canvas.csv or NAME.moodle.csv in the course folder"
    )
    export.add_argument("--roster", metavar="FILE", help="what the platform exported, to be filled in")
    export.add_argument(
        "--column", default="", metavar="TEXT", help="the roster's column, where that is not named like the notebook"
    )

    written = add(commands, "written", "write the written answers on a sheet without names, or take its points back")
    written.add_argument("name", metavar="NAME", help="the notebook, such as 03_forward")
    written.add_argument("--to", metavar="FILE", help="the sheet, by default written/NAME.csv in the course folder")
    written.add_argument("--take", metavar="FILE", help="put the points and comments of this sheet into the gradebook")

    publish = add(commands, "publish", "write the repository for readers and students, without solutions")
    publish.add_argument(
        "--to", required=True, metavar="FOLDER", help="a new or empty folder, or one that `publish` has written"
    )

    copy = add(commands, "copy-gradebook", "copy the gradebook into another, empty database")
    copy.add_argument(
        "--to", required=True, metavar="URL", help="a database that exists and is empty: postgresql://ME@HOST/DATABASE"
    )
    copy.add_argument("--from", dest="source", metavar="URL", help="a gradebook other than the course's")

    forget = add(commands, "forget", "remove one student's files and records from the course")
    forget.add_argument("student", metavar="ID", help="the student, as `grade` prints the id")
    forget.add_argument("--yes", action="store_true", help="do not ask")

    add(commands, "doctor", "check the installation and say what to do; the exit code is 1 if something is wrong")


def run_feedback(given):
    from autograder.desk import late, stale
    from autograder.gradebook import Course
    from autograder.terminal import progress

    name = course.require_notebook(given.name)
    folder = course.course_folder()
    students = sorted(path.parent.name for path in (folder / "autograded").glob(f"*/{name}"))
    if not students:
        raise course.CourseError(f"nothing is graded yet; run `python -m autograder grade {name}`")
    nbgrader, failed = Course(), {}
    late.apply(name)
    tell_doubts()
    with nbgrader.gradebook() as book:
        known = {submission.student_id for submission in book.assignment_submissions(name)}
    students = [student for student in students if student in known]
    if not students:
        raise course.CourseError(f"the gradebook has no scores of {name}; run `python -m autograder grade {name}`")
    writing.writable(folder / "feedback")
    stale.warn(name)
    with progress() as bar:
        line = bar.add_task("writing feedback", total=len(students))
        for student in students:
            try:
                nbgrader.call("generate_feedback", name, student, force=True)
            except course.CourseError as error:
                failed[student] = str(error)
            bar.advance(line)
    for student, why in failed.items():
        logs.say(f"no page: {student}: {why}")
    logs.say(f"{len(students) - len(failed)} feedback pages in {folder / 'feedback'}")
    if given.back:
        from autograder.desk import back

        path, count, without = back.pack(name, given.back)
        for line in without:
            logs.say(f"left out: {line}")
        logs.say(f"{count} of them in {path}, for the platform to take back")
    return 1 if failed else 0


def not_finished(name, students, in_course):
    """Lines on whom `grade --only needs-gpu` had to leave out, and what to do; why, the course folder tells."""
    from autograder.desk import stale

    if not students:
        return []
    found = stale.find(name) if in_course else {}
    known = {student: kind for kind, ids in found.items() for student in ids}
    groups = {}
    for student in students:
        groups.setdefault(known.get(student, "lost" if in_course else ""), []).append(student)
    return [f"left out: {line}" for kind, ids in groups.items() for line in [stale.left_out(name, kind, ids)]]


def tell_doubts():
    """Say which extensions change nothing."""
    from autograder.desk import late

    for line in late.doubts():
        logs.say(f"look at {line}")


def run_report(given):
    from autograder.collecting.submitted import told_missing
    from autograder.desk import report
    from autograder.terminal import progress

    name = course.require_notebook(given.name)
    with progress() as bar:
        line = bar.add_task("reading results", total=None)
        page = report.write(
            name, given.to, given.csv, lambda students: bar.update(line, total=students), lambda: bar.advance(line)
        )
    tell_doubts()
    if line := told_missing(name):
        logs.say(line)
    logs.say(f"the report is in {page}")
    if given.csv:
        print(f"the table is in {given.csv}")
    return 0


def run_roster(given):
    from autograder.desk import roster

    added, changed, gone, problems = roster.take(given.file, logs.say)
    words = "with another name or address"
    logs.say(f"{len(added)} new, {len(changed)} {words}")
    for word, students in (("new", added), (words, changed), ("not on the list, kept", gone)):
        for student in students:
            logs.say(f"{word}: {student}")
    for problem in problems:
        logs.say(f"left out: {problem}; add the line PLATFORM,NUMBER,,STUDENT to people.csv that says who it is")
    return 1 if problems else 0


def run_export(given):
    from autograder.desk import export, stale

    name = course.require_notebook(given.name)
    path, count, problems = export.export(name, given.format, given.to, given.roster, given.column, logs.say)
    tell_doubts()
    for problem in problems:
        logs.say(f"left out: {problem}")
    logs.say(f"{count} scores in {path}")
    stale.warn(name)
    return 1 if problems else 0


def run_written(given):
    from autograder.desk import stale, written
    from autograder.terminal import progress

    name = course.require_notebook(given.name)
    if given.take:
        count, waiting = written.take(name, given.take, logs.say)
        logs.say(f"{count} answers have points now, {waiting} lines had none")
    else:
        with progress() as bar:
            line = bar.add_task("reading answers", total=None)
            path, count, waiting = written.sheet(
                name, given.to, lambda rows: bar.update(line, total=rows), lambda: bar.advance(line), logs.say
            )
        stale.warn(name)
        logs.say(f"{count} answers in {path}, {waiting} of them without points; the rubric is a page beside it")
    return 0


def run_publish(given):
    from autograder.desk import publish
    from autograder.terminal import progress

    with progress() as bar:
        line = bar.add_task("publishing", total=None)
        done = publish.publish(given.to, lambda files: bar.update(line, total=files), lambda: bar.advance(line))
    for word, names in zip(("new", "changed", "gone"), done):
        for name in names if len(names) <= 30 else []:
            print(f"{word}: {name}")
    new, changed, gone = map(len, done)
    print(f"{given.to}: {new} files new, {changed} changed, {gone} gone; no leak found.")
    print(f"Next: commit it there and push it to {course.public_repository()}.")
    return 0


def run_copy_gradebook(given):
    from autograder.desk import transfer
    from autograder.terminal import progress

    source = given.source or course.database_url()
    with progress() as bar:
        line = bar.add_task("copying rows", total=None)
        done = transfer.copy(
            source,
            given.to,
            lambda rows: bar.update(line, total=rows),
            lambda rows: bar.advance(line, rows),
        )
    for table, rows in done.items():
        logs.say(f"{rows:8} rows in {table}")
    logs.say(f"{sum(done.values())} rows copied and counted. Set BN_DATABASE to the new address from now on.")
    if path := transfer.leave_the_address(source, given.to):
        logs.say(f"Without it commands stop; to go back to the old gradebook as it is now, remove {path}")
    return 0


def run_forget(given):
    from autograder.desk import forget

    forget.require_known(given.student)
    if not given.yes:
        try:
            answer = input(f"Remove everything of {given.student!r} in {course.course_folder()}? Type the id again: ")
        except EOFError:
            answer = ""
        if answer.strip() != given.student:
            print("nothing was removed")
            return 1
    done, left = forget.forget(given.student)
    for path in done:
        print(f"removed or changed: {path}")
    for path in left:
        print(f"still names the student; look at it: {path}")
    print("Copies outside the course folder (learning platform, backups) are yours to remove.")
    return 1 if left else 0


def run_doctor(given):
    from rich.console import Console

    from autograder.desk import doctor

    console = Console(soft_wrap=True)

    def show(finding):
        word, colour = LEVELS[finding.level]
        console.print(f"{word:5}", style=colour, end=" ")
        console.print(f"{finding.what}: {finding.found}", markup=False, highlight=False)
        if finding.cure and finding.level != "ok":
            console.print(f"      do: {finding.cure}", markup=False, highlight=False)

    wrong = doctor.examine(show)
    console.print("This installation is fit." if not wrong else f"{wrong} of these keep the course from working.")
    return 1 if wrong else 0
