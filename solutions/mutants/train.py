"""Slips in `train(layers, data, lr, steps, batch_size, rng)`.

`trained` trains rightly, but for what its keywords say; each slip sets one of them.
"""

import numpy as np
from bnlab.network import cross_entropy

from solutions.mutants import mutant

TASK = "train"


def tens(steps):
    """Number of updates after which accuracy is measured -> the step that is noted for it."""
    return {step: step for step in range(0, steps + 1, 10)}


def share(logits, labels):
    return float(np.mean(logits.argmax(axis=1) == labels))


def trained(
    layers, data, lr, steps, batch_size, rng, *, rows=None, skip=(), learners=slice(None), learn=True, judge=False,
    marks=None, score=share, held_out=slice(2, 4), late=False, labels=None, kept=1.0,
):  # fmt: skip
    """Train.

    rows : step -> rows of the batch; skip : names in params that are not updated; learners : the layers that are
    updated; learn, judge : `training` in a step and in a measurement; marks : as `tens`; held_out : judged on;
    late : note the loss after the update; labels : step -> rows of the labels, where they are others; kept : what is
    left of a parameter before its update
    """
    history = {"loss": [], "step": [], "accuracy": []}
    rows = rows or (lambda step: rng.choice(len(data[0]), batch_size, replace=False))
    marks = tens(steps) if marks is None else marks

    def forward(h, training):
        for layer in layers:
            layer.training = training
            h = layer.forward(h)
        return h

    for step in range(steps + 1):
        if step in marks:
            x, y = data[held_out]
            history["step"].append(marks[step])
            history["accuracy"].append(score(forward(x, judge), y))
        if step == steps:
            return history
        chosen = rows(step)
        x, y = data[0][chosen], data[1][labels(step) if labels else chosen]
        loss, dh = cross_entropy(forward(x, learn), y)
        for layer in reversed(layers):
            dh = layer.backward(dh)
        for layer in layers[learners]:
            for name in layer.params:
                if name not in skip:
                    layer.params[name] = kept * layer.params[name] - lr * layer.grads[name]
        history["loss"].append(cross_entropy(forward(x, False), y)[0] if late else loss)


@mutant(TASK, says="Your update climbs: the loss grows. Move against the gradient, params - lr * grads.")
def gradient_ascent(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, -lr, steps, batch_size, rng)


@mutant(TASK, says="You train on the same batch in every step. Draw new rows inside the loop.")
def same_batch(layers, data, lr, steps, batch_size, rng):
    drawn = rng.choice(len(data[0]), batch_size, replace=False)
    return trained(layers, data, lr, steps, batch_size, rng, rows=lambda step: drawn)


@mutant(
    TASK, says="Your batches are the first batch_size rows every time. Draw them anew in each step, with rng.choice."
)
def first_rows(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, rows=lambda step: np.arange(batch_size))


@mutant(
    TASK,
    says="Your batches go through the data in order, without shuffling. Draw the rows of each step with "
    "rng.choice(N, batch_size, replace=False).",
)
def not_shuffled(layers, data, lr, steps, batch_size, rng):
    def rows(step):
        return np.arange(step * batch_size, (step + 1) * batch_size) % len(data[0])

    return trained(layers, data, lr, steps, batch_size, rng, rows=rows)


@mutant(
    TASK,
    says="Your batches can hold a row twice. Draw without replacement: rng.choice(N, batch_size, replace=False).",
)
def with_replacement(layers, data, lr, steps, batch_size, rng):
    return trained(
        layers, data, lr, steps, batch_size, rng, rows=lambda step: rng.integers(0, len(data[0]), batch_size)
    )


@mutant(
    TASK,
    says="You go through one permutation per epoch. That is good practice, but here each step draws rng.choice(N, "
    "batch_size, replace=False), so that runs can be compared.",
)
def epochs_of_permutations(layers, data, lr, steps, batch_size, rng):
    waiting = []

    def rows(step):
        if len(waiting) < batch_size:
            waiting[:] = rng.permutation(len(data[0])).tolist()
        taken, waiting[:] = waiting[:batch_size], waiting[batch_size:]
        return np.array(taken)

    return trained(layers, data, lr, steps, batch_size, rng, rows=rows)


@mutant(
    TASK,
    says="You shuffle all rows in each step and take the first ones. The rows asked for are those of "
    "rng.choice(N, batch_size, replace=False), so that runs can be compared.",
)
def permutation_each_step(layers, data, lr, steps, batch_size, rng):
    def rows(step):
        return rng.permutation(len(data[0]))[:batch_size]

    return trained(layers, data, lr, steps, batch_size, rng, rows=rows)


@mutant(TASK, says="Each of your steps uses all rows. Take batch_size of them, drawn with rng.choice.")
def batch_size_ignored(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, rows=lambda step: np.arange(len(data[0])))


@mutant(
    TASK,
    says="Your batches come from a generator of your own. Draw from the given rng, or all seeds give the same run.",
)
def rng_ignored(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, np.random.default_rng(0))


@mutant(
    TASK,
    says="gamma and beta never change in your training. Update every entry of every layer's params, whatever its name.",
)
def gamma_and_beta_not_trained(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, skip=("gamma", "beta"))


@mutant(TASK, says="Your training leaves bias and beta as they are. Update every entry of params, these two as well.")
def shifts_not_trained(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, skip=("bias", "beta"))


@mutant(
    TASK,
    says="Your training leaves bias, gamma and beta as they are. Update every entry of params, not the weight alone.",
)
def weights_alone_trained(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, skip=("bias", "gamma", "beta"))


@mutant(TASK, says="Only your first layer learns. The update has to visit every layer of the list.")
def first_layer_only(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, learners=slice(0, 1))


@mutant(
    TASK,
    says="Your update throws the old value away: params[name] becomes -lr * grads[name]. The step starts from the old "
    "value: params[name] - lr * grads[name].",
)
def old_value_thrown_away(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, kept=0.0)


@mutant(
    TASK,
    says="Images and labels of a batch come from two draws, so they do not belong together. Draw the rows once and use "
    "them for both.",
)
def rows_drawn_twice(layers, data, lr, steps, batch_size, rng):
    def labels(step):
        return rng.choice(len(data[0]), batch_size, replace=False)

    return trained(layers, data, lr, steps, batch_size, rng, labels=labels)


@mutant(TASK, says="Only your last layer learns. The update has to visit every layer of the list.")
def last_layer_only(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, learners=slice(-1, None))


@mutant(
    TASK,
    says="Your accuracy is that of the training images. Measure it on x_test and y_test, which the network has not "
    "seen.",
)
def accuracy_on_training_data(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, held_out=slice(0, 2))


@mutant(
    TASK,
    says="You measure the accuracy in training mode. Set layer.training = False for every layer first: dropout must be "
    "off, and batch normalization must use its running statistics.",
)
def evaluated_in_training_mode(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, judge=True)


@mutant(
    TASK,
    says="After the first measurement your network learns in evaluation mode. Set layer.training = True again before "
    "each training pass.",
)
def left_in_evaluation_mode(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, learn=False)


@mutant(
    TASK,
    says="Your history is off by one: the accuracy that you write down for step 0 comes after the first update. "
    "Measure before the first step, and then after 10, 20, ... updates.",
)
def history_off_by_one(layers, data, lr, steps, batch_size, rng):
    late = {step + 1: step for step in range(0, steps, 10)}
    return trained(layers, data, lr, steps, batch_size, rng, marks=late)


@mutant(
    TASK,
    says="Your history lacks the accuracy after the last step, where `steps` is a multiple of 10. Measure after the "
    "update, not before the next one.",
)
def last_measurement_missing(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, marks=tens(steps - 1))


@mutant(TASK, says="Your history does not start at step 0. Measure the accuracy once before the first update.")
def start_missing(layers, data, lr, steps, batch_size, rng):
    later = {step: step for step in tens(steps) if step}
    return trained(layers, data, lr, steps, batch_size, rng, marks=later)


@mutant(TASK, says="You measure the accuracy after every step. Every tenth is enough, and much faster: 0, 10, 20, ...")
def measured_every_step(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, marks={step: step for step in range(steps + 1)})


@mutant(
    TASK,
    says="history['step'] counts your measurements, 0, 1, 2, ... It should hold the numbers of updates, 0, 10, 20, ...",
)
def measurements_counted(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, marks={step: step // 10 for step in tens(steps)})


@mutant(TASK, says="Your accuracy is a percentage. It should be a share, between 0 and 1.")
def accuracy_in_percent(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, score=lambda logits, y: 100 * share(logits, y))


@mutant(TASK, says="You noted the share of errors. The accuracy is the share of images that are classified correctly.")
def error_for_accuracy(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, score=lambda logits, y: 1 - share(logits, y))


@mutant(TASK, says="You noted how many images are right. The accuracy is their share: divide by the number of images.")
def count_for_accuracy(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, score=lambda logits, y: len(y) * share(logits, y))


@mutant(
    TASK, says="You divided by the batch size once too often: cross_entropy returns the gradient of the mean already."
)
def averaged_twice(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr / batch_size, steps, batch_size, rng)


@mutant(TASK, says="Your updates use 0.1 whatever learning rate is given. Use lr.")
def learning_rate_ignored(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, 0.1, steps, batch_size, rng)


@mutant(
    TASK,
    says="None of your parameters changes. Store the new array in the layer, layer.params[name] = ...; a local "
    "variable is forgotten.",
)
def never_updated(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, 0.0, steps, batch_size, rng)


@mutant(
    TASK,
    says="You noted the loss after the update. It belongs to the forward pass that the gradient comes from, before the "
    "update.",
)
def loss_after_the_update(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, late=True)


@mutant(
    TASK,
    says="You multiplied the loss by the number of rows. What cross_entropy returns is the mean over the batch: note "
    "it as it is.",
)
def loss_summed(layers, data, lr, steps, batch_size, rng):
    history = trained(layers, data, lr, steps, batch_size, rng)
    return history | {"loss": [batch_size * loss for loss in history["loss"]]}


@mutant(TASK, says="You take one step more than `steps`: range(1, steps + 1) has exactly `steps` numbers.")
def one_step_too_many(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps + 1, batch_size, rng)


@mutant(
    TASK,
    says="You measure once more after the last step, whatever its number. The history has the steps 0, 10, 20, ... and "
    "no others.",
)
def end_always_measured(layers, data, lr, steps, batch_size, rng):
    return trained(layers, data, lr, steps, batch_size, rng, marks=tens(steps) | {steps: steps})
