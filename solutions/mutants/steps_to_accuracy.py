"""Slips in `steps_to_accuracy(history, target)`."""

import numpy as np

from solutions.mutants import mutant

TASK = "steps-to-accuracy"


def crossings(history, target):
    """Positions of the accuracies that reach the target."""
    return [place for place, accuracy in enumerate(history["accuracy"]) if accuracy >= target]


@mutant(TASK, says="You returned the last step at which the target is met. The first one counts, whatever comes after.")
def last_crossing(history, target):
    found = crossings(history, target)
    return history["step"][found[-1]] if found else None


@mutant(
    TASK,
    says="You returned the position in the list. The number of steps stands at that position in history['step'].",
)
def position_for_step(history, target):
    found = crossings(history, target)
    return found[0] if found else None


@mutant(
    TASK,
    says="You multiplied the position by 10. How often accuracy was measured is in history['step']; look it up there.",
)
def ten_steps_assumed(history, target):
    found = crossings(history, target)
    return 10 * found[0] if found else None


@mutant(TASK, says="An accuracy equal to the target reaches it: compare with >=, not with >.")
def strictly_above(history, target):
    for step, accuracy in zip(history["step"], history["accuracy"]):
        if accuracy > target:
            return step
    return None


@mutant(
    TASK,
    says="Where the target is never reached you returned 0, which means 'before the first step' (argmax gives 0 where "
    "nothing is True). Return None.",
)
def zero_for_never(history, target):
    found = crossings(history, target)
    return history["step"][found[0]] if found else 0


@mutant(
    TASK,
    says="Where the target is never reached you returned -1. Return None, which cannot be mistaken for a number of "
    "steps.",
)
def minus_one_for_never(history, target):
    found = crossings(history, target)
    return history["step"][found[0]] if found else -1


@mutant(
    TASK,
    says="Where the target is never reached you returned the last step, as if it had been reached there. Return None.",
)
def last_step_for_never(history, target):
    found = crossings(history, target)
    return history["step"][found[0] if found else -1]


@mutant(
    TASK,
    says="You returned the step of the best accuracy. The question is when the target is reached for the first time.",
)
def best_step(history, target):
    best = max(history["accuracy"])
    return history["step"][history["accuracy"].index(best)] if best >= target else None


@mutant(
    TASK,
    says="Your number is one measurement too late. The entry of history['step'] beside the accuracy is the one.",
)
def one_entry_late(history, target):
    found = crossings(history, target)
    return history["step"][min(found[0] + 1, len(history["step"]) - 1)] if found else None


@mutant(
    TASK,
    says="Your number is one measurement too early: it is the last step below the target, not the first one that "
    "reaches it.",
)
def one_entry_early(history, target):
    found = crossings(history, target)
    return history["step"][max(found[0] - 1, 0)] if found else None


@mutant(TASK, says="You returned the accuracy that was reached. Return the step at which it was reached.")
def accuracy_for_step(history, target):
    found = crossings(history, target)
    return history["accuracy"][found[0]] if found else None


@mutant(
    TASK,
    says="For a target that is reached at step 0 you return None. 0 is a number of steps like any other, but counts "
    "as false: test `is not None`.",
)
def zero_taken_for_nothing(history, target):
    found = crossings(history, target)
    return (history["step"][found[0]] or None) if found else None


@mutant(
    TASK,
    says="You waited until the accuracy stays above the target. The first time counts, even if it falls below again.",
)
def has_to_stay(history, target):
    accuracy = history["accuracy"]
    for place, step in enumerate(history["step"]):
        if min(accuracy[place:]) >= target:
            return step
    return None


@mutant(TASK, says="You compared the loss with the target. The target is an accuracy: look at history['accuracy'].")
def loss_for_accuracy(history, target):
    for step, loss in enumerate(history["loss"]):
        if loss <= target:
            return step
    return None


@mutant(
    TASK,
    says="Your loop gives up at the first accuracy below the target: `return None` stands inside it. It belongs after "
    "the loop, when no entry has reached the target.",
)
def gives_up_at_once(history, target):
    return history["step"][0] if history["accuracy"][0] >= target else None


@mutant(
    TASK, says="You look for an accuracy that equals the target. It is reached by any that is at least as large: >=."
)
def only_equal(history, target):
    return next((step for step, accuracy in zip(history["step"], history["accuracy"]) if accuracy == target), None)


@mutant(
    TASK,
    says="Your function returns None in every case, even where the target is reached. Is a `return` missing? print "
    "only shows a number.",
)
def nothing_returned(history, target):
    return None


@mutant(
    TASK,
    says="You searched as if the accuracies were sorted, which np.searchsorted takes for granted. They go up and down: "
    "compare each with the target.",
)
def searched_as_if_sorted(history, target):
    place = np.searchsorted(history["accuracy"], target)
    return history["step"][place] if place < len(history["step"]) else None
