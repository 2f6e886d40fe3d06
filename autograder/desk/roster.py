"""The class, as the learning platform lists it: names, addresses, identifiers.

`python -m autograder roster FILE` takes a Canvas gradebook, a Moodle worksheet or participants list, or a plain table.
It is read again whenever the class changes: newcomers are added, names corrected, who left is named, never removed.

A row is a student by the platform's number, which `people` keeps; where that is not known yet, by address, login or
name, and only where one row and one student fit each other alone.
"""

import re
from dataclasses import dataclass

from autograder import course
from autograder.collecting import layouts, people
from autograder.collecting.people import key
from autograder.desk.platforms import keys_of, names_of, number_of, read

COLUMNS = ("last_name", "first_name", "email")  # of nbgrader's students
NUMBERS = {  # kind -> column, what may stand in it, in words; a cell may be empty
    "canvas": [("id", r"[\d~]*", "a number of Canvas")],
    "moodle": [("identifier", r"(.*\d)?", "one of Moodle's, such as Participant 12345")],
}


def _name_keys(last, first):
    return {key(f"{first} {last}"), key(f"{last} {first}")} - {""} if first and last else set()


@dataclass
class Match:
    """Which row is which student.

    found : dict
        student -> position in rows
    problems : list of str
        Students without a row, and those whose row cannot be told.
    open : set of int
        Positions of rows that cannot be told.
    missing : list of str
        Students whom no row could be.
    """

    found: dict
    problems: list
    open: set
    missing: list


def match(students, kind, rows, who):
    """Which row is which student.

    Parameters
    ----------
    students : dict
        Id -> (last name, first name, address), "" where the gradebook does not know it.
    kind : str
        Of the rows' table.
    rows : list of Row
    who : People

    Returns
    -------
    Match
    """
    numbers = [number_of(kind, row) for row in rows]
    owners = [who.student_of(kind, number) for number in numbers]
    if kind == "plain":
        owners = [one if (one := row.get_low("student")) in students else None for row in rows]
    index, addresses = {}, {}
    for position, row in enumerate(rows):
        addresses.setdefault(names_of(row)[2].casefold(), set()).add(position)
        for one in keys_of(row) if owners[position] is None else ():
            index.setdefault(one, set()).add(position)
    hits = {}
    for student, (last, first, address) in students.items():
        places = {position for position, owner in enumerate(owners) if owner == student}
        same = addresses.get(address.casefold(), set()) if address else set()
        if places:
            if kind == "moodle":  # a number that one list gave to this address, and another list to another one
                places |= same
        elif not (kind == "canvas" and who.numbers_of(student, kind)):
            names = who.keys_of(student) | _name_keys(last, first)
            free = {position for position in same if owners[position] is None}
            places = free or _by_names(student, names, rows, index)
        hits[student] = places
    return _judge(hits, rows)


def _by_names(student, names, rows, index):
    """The rows that a student's id or names could be; where several could, those that have the names."""
    places = set().union(*(index.get(one, set()) for one in {key(student)} | names))
    right = {position for position in places if names & _name_keys(*names_of(rows[position])[:2])}
    return right if len(places) > 1 and right else places


def _judge(hits, rows):
    """Take the pairs that are each other's only one."""
    claims, outcome = {}, Match({}, [], set(), [])
    for student, places in hits.items():
        for position in places:
            claims.setdefault(position, []).append(student)
    for student, places in hits.items():
        lines = " and ".join(str(rows[position].line) for position in sorted(places))
        rivals = [one for position in places for one in claims[position] if one != student]
        if not places:
            outcome.missing.append(student)
            outcome.problems.append(f"{student}: is not on the list")
        elif len(places) > 1:
            outcome.open |= places
            outcome.problems.append(f"{student}: two rows could be this student, lines {lines}")
        elif rivals:
            outcome.open |= places
            outcome.problems.append(f"{student}: {rivals[0]} could be the same row, line {lines}")
        else:
            outcome.found[student] = next(iter(places))
    return outcome


def id_of(kind, row, taken):
    """The id that a newcomer gets: login, address, name and number, the first that is free and can be an id; or ""."""
    last, first, address = names_of(row)
    number = number_of(kind, row)
    wanted = [row.get_low("student")] if kind == "plain" else [row.get_low("sis login id"), row.get_low("username")]
    wanted.append(address)
    if number:
        name = key(f"{last} {first}") if kind == "canvas" else f"{first} {last}".strip() or "Participant"
        wanted.append(f"{name}_{number}")
    wanted.append(f"{first} {last}".strip())
    return next((one for one in wanted if one and one not in taken and not layouts.strange(one)), "")


def check(path, table):
    """Refuse a list that cannot be one of a class, before anything is written.

    Raises
    ------
    CourseError
        Where it has nobody, somebody twice, an id that no submission could have, or something else in place of
        numbers or addresses.
    """
    rows, seen = table.people(), {}
    if not rows:
        raise course.CourseError(f"{path} has a header and nobody below it; export it again, with all students")
    if wrong := misplaced(table.kind, rows):
        raise course.CourseError(
            f"{path}, {wrong}; are two columns swapped, or has a spreadsheet changed them? Nothing was taken"
        )
    for row in rows:
        student = row.get_low("student")
        named = [student] if table.kind == "plain" else [number_of(table.kind, row), row.get_low("sis login id")]
        for text in filter(None, named):
            if seen.setdefault(text, row.line) != row.line:
                raise course.CourseError(
                    f"{path}: {text} occurs twice, lines {seen[text]} and {row.line}; remove one, nothing was taken"
                )
        if table.kind == "plain" and (bad := layouts.strange(student)):
            raise course.CourseError(
                f"{path}, line {row.line}: a student id has letters, digits and {layouts.MARKS.strip()}, not {bad}; "
                "nothing was taken"
            )


def misplaced(kind, rows):
    """What stands in a column of numbers or addresses and cannot be one, "" where nothing does."""
    for column, pattern, what in NUMBERS.get(kind, ()):
        for row in rows:
            if not re.fullmatch(pattern, row.get_low(column)):
                return f"line {row.line}: the {column} {row.get_low(column)!r} is not {what}"
    addresses = {row.line: text for row in rows if (text := row.get_low("email") or row.get_low("email address"))}
    if addresses and not any("@" in text for text in addresses.values()):
        line, text = next(iter(addresses.items()))
        return f"line {line}: the address {text!r} and all others are without @"
    return ""


def shared_addresses(wanted):
    """Address -> the students that have it, where there are several."""
    found = {}
    for student in sorted(wanted):
        found.setdefault(wanted[student].get("email", "").lower(), []).append(student)
    return {address: students for address, students in found.items() if address and students[1:]}


def take(path, say=lambda line: None):
    """Put a list into the gradebook, and its numbers and names into people.csv.

    Parameters
    ----------
    path : str or Path
    say : callable
        Called with a line on what a person should look at.

    Returns
    -------
    added, changed, gone : list of str
        Student ids: newcomers, those whose names or address are other ones now, and those of the gradebook that the
        list does not name.
    problems : list of str
        Who was left out because nobody can tell which student it is.

    Raises
    ------
    CourseError
        Then nothing is written.
    """
    from autograder.gradebook import Course

    table = read(path)
    check(path, table)
    rows, who = table.people(), people.read()
    with Course().gradebook() as book:
        booked = {one.id: tuple(getattr(one, column) or "" for column in COLUMNS) for one in book.students}
        known = dict.fromkeys(who.students(), ("", "", "")) | booked  # `collect` knows who is in no gradebook yet
        matched = match(known, table.kind, rows, who)
        problems = [line for line in matched.problems if not line.endswith("is not on the list")]
        wanted = _plan(table.kind, rows, matched, set(known), who, problems)
        if who.changed:
            who.write()
        added = [student for student in wanted if student not in known]
        changed = [one for one in wanted if one in known and wanted[one].items() - zip(COLUMNS, known[one])]
        for student in [*wanted.keys() - booked.keys(), *changed]:
            book.update_or_create_student(student, **wanted[student])
    for address, students in shared_addresses(wanted).items():
        say(f"{' and '.join(students)} have the same address, {address}: is one of them a mistake?")
    return added, changed, sorted(set(matched.missing) & set(booked)), problems


def _plan(kind, rows, matched, taken, who, problems):
    """What the gradebook is to know: student -> column -> text. Numbers and names go into `who`."""
    place, wanted = {position: student for student, position in matched.found.items()}, {}
    for position, row in enumerate(rows):
        if position in matched.open:
            continue
        student = place.get(position) or id_of(kind, row, taken)
        if not student:
            problems.append(f"line {row.line}: no login, address or name that could be an id")
            continue
        taken.add(student)
        last, first, address = names_of(row)
        wanted[student] = {column: text for column, text in zip(COLUMNS, (last, first, address)) if text}
        number, name = number_of(kind, row), ", ".join(filter(None, (last, first)))
        if name or number:
            who.put(kind if number else "", number, name, student)
    return wanted
