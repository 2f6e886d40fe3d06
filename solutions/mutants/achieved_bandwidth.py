"""Slips in `achieved_bandwidth(num_bytes, seconds) -> float`."""

from solutions.mutants import mutant

TASK = "achieved-bandwidth"


@mutant(
    TASK,
    says="You divided by 2**30, which gives gibibytes, GiB. Data sheets and this course count in GB of 10**9 bytes, so "
    "their numbers are 7 percent larger.",
)
def gibibytes(num_bytes, seconds):
    return num_bytes / seconds / 2**30


@mutant(TASK, says="You gave bytes a second. A GB has 10**9 bytes.")
def bytes_a_second(num_bytes, seconds):
    return num_bytes / seconds


@mutant(
    TASK, says="Your number is 1000 times too large: you gave megabytes a second, or took the time for milliseconds."
)
def megabytes(num_bytes, seconds):
    return num_bytes / seconds / 1e6


@mutant(
    TASK,
    says="Your number is 1000 times too small: you gave terabytes a second, or multiplied the seconds by 1000. A GB "
    "has 10**9 bytes.",
)
def terabytes(num_bytes, seconds):
    return num_bytes / seconds / 1e12


@mutant(TASK, says="You gave gigabits a second. num_bytes counts bytes, and so does GB/s.")
def gigabits(num_bytes, seconds):
    return 8 * num_bytes / seconds / 1e9


@mutant(TASK, says="You divided the time by the bytes. A bandwidth is bytes per second.")
def turned_over(num_bytes, seconds):
    return seconds / num_bytes * 1e9


@mutant(TASK, says="You multiplied by the time. Twice the time for the same bytes is half the bandwidth: divide.")
def multiplied(num_bytes, seconds):
    return num_bytes * seconds / 1e9


@mutant(TASK, says="You took the time for microseconds. It is given in seconds.")
def microseconds(num_bytes, seconds):
    return num_bytes / (seconds / 1e6) / 1e9


@mutant(TASK, says="You doubled the bytes. num_bytes counts reads and writes already.")
def read_and_write_again(num_bytes, seconds):
    return 2 * num_bytes / seconds / 1e9


@mutant(TASK, says="You divided by 1000 * 1024 * 1024, half one system and half the other. A GB has 10**9 bytes.")
def mixed_units(num_bytes, seconds):
    return num_bytes / seconds / (1000 * 1024 * 1024)


@mutant(TASK, says="In Python 10 ^ 9 is 3, because ^ is not a power. Write 10**9 or 1e9.")
def caret_for_a_power(num_bytes, seconds):
    return num_bytes / seconds / (10 ^ 9)


@mutant(TASK, says="You multiplied by 10**9. That is how many bytes a GB has, so divide the bytes a second by it.")
def giga_multiplied(num_bytes, seconds):
    return num_bytes / seconds * 1e9


@mutant(TASK, says="Your number is 10 times too small: 10e9 is 10**10. A GB has 1e9 bytes.")
def ten_times_too_small(num_bytes, seconds):
    return num_bytes / seconds / 10e9


@mutant(TASK, says="num_bytes // 10**9 rounds down, and less than a GB becomes 0: divide by / instead.")
def rounded_down_to_gigabytes(num_bytes, seconds):
    return num_bytes // 10**9 / seconds


@mutant(TASK, says="num_bytes // seconds is rounded down to whole bytes a second: divide by / instead.")
def whole_bytes_a_second(num_bytes, seconds):
    return num_bytes // seconds / 1e9


@mutant(
    TASK,
    says="Your number is 3 times too large. num_bytes counts everything that was moved, in however many passes: divide "
    "it by the seconds.",
)
def three_passes_again(num_bytes, seconds):
    return 3 * num_bytes / seconds / 1e9


@mutant(
    TASK,
    says="2**9 is 512. A GB has 10**9 bytes, in Python 1e9.",
)
def two_to_the_nine(num_bytes, seconds):
    return num_bytes / seconds / 2**9
