"""Tasks of notebook 01: what to do when training and test differ, and what scaling does to gradient descent."""

import itertools

import numpy as np

from bnlab.answers import strided
from bnlab.sampling import batch
from bnlab.tasks import Case, Task

NOTEBOOK = "01_covariate_shift"

ONE_PASS = "one_pass_variance"  # their rounding errors differ from machine to machine
ONE_PASS_COVARIANCE = "one_pass_covariance"


def laid_out(x, layout):
    """The same values in another memory layout: "C", "F" or "strided"."""
    return strided(x) if layout == "strided" else np.asfortranarray(x) if layout == "F" else np.ascontiguousarray(x)


def split_inputs(n, m, c, *, constant=None, **options):
    """Inputs of `standardize`: rng -> {"train", "test"}; the test set lies elsewhere and is wider.

    constant : float, optional
        Value of the last feature in the whole training set; in the test set it varies.
    """

    def inputs(rng):
        train = batch(rng, n, c, **options)
        test = (1.5 * batch(rng, m, c, **options) + 1).astype(train.dtype)
        if constant is not None:
            train[:, -1] = constant
        return {"train": train, "test": laid_out(test, options.get("layout", "C"))}

    return inputs


def ratio_inputs(n, source=(0.5, 0.5), target=(0.0, 0.3), *, far=0, dtype=np.float64, layout="C"):
    """Inputs of `importance_weights`: rng -> {"x", "source", "target"}; x is drawn around the source.

    far : int
        That many of the points lie 39 to 45 standard deviations out.
    """

    def inputs(rng):
        away = rng.normal(size=n)
        away[n - far :] = rng.uniform(39, 45, size=far) * rng.choice([-1.0, 1.0], size=far)
        x = (source[0] + source[1] * away).astype(dtype)
        return {"x": laid_out(x, layout), "source": source, "target": target}

    return inputs


def regression_inputs(n, p, *, ones=True, zeros=0, dtype=np.float64, layout="C"):
    """Inputs of `weighted_least_squares`: rng -> {"features", "y", "w"}.

    ones : bool
        Whether the first feature is 1 everywhere.
    zeros : int
        Number of samples with weight 0.
    """

    def inputs(rng):
        features = rng.normal(size=(n, p)) + 0.7
        if ones:
            features[:, 0] = 1
        y = features @ rng.normal(size=p) + 0.5 * features[:, -1] ** 2 + 0.5 + 0.3 * rng.normal(size=n)
        w = rng.uniform(0.2, 4.0, size=n)
        w[: int(zeros)] = 0
        return {"features": laid_out(features.astype(dtype), layout), "y": y.astype(dtype), "w": w.astype(dtype)}

    return inputs


def mixed_inputs(n, c, *, eps, constant=None, dtype=np.float64, layout="C", **options):
    """Inputs of `zca_whiten`: rng -> {"x", "eps"}, with features that go together."""

    def inputs(rng):
        drawn = batch(rng, n, c, **options)
        centre = drawn.mean(axis=0)
        x = centre + (drawn - centre) @ (np.eye(c) + 0.4 * rng.normal(size=(c, c)))
        if constant is not None:
            x[:, -1] = constant
        return {"x": laid_out(x.astype(dtype), layout), "eps": eps}

    return inputs


def feature_inputs(n, c, **options):
    """Inputs of `max_stable_lr`: rng -> {"features"}."""
    return lambda rng: {"features": batch(rng, n, c, **options)}


def observe_weights(answer, inputs):
    """Call `importance_weights`; for float32 points weights in float64 are welcome too."""
    return narrowed(WEIGHTS.call(answer, inputs), inputs["x"])


def narrowed(value, like):
    """An array of float64 in the dtype of another array; anything else as it is."""
    return value.astype(like.dtype) if type(value) is np.ndarray and value.dtype == np.float64 else value


def agree(got, expected):
    """Whether two leaves are equal but for rounding."""
    return np.shape(got) == np.shape(expected) and np.allclose(got, expected, rtol=1e-4, atol=1e-6, equal_nan=True)


def which_set(inputs, expected, got):
    """Remark on `standardize`: which of the two sets, or which features, are off."""
    still = (inputs["train"] == inputs["train"][0]).all(axis=0)
    shapes = all(np.shape(got[leaf]) == value.shape for leaf, value in expected.items())
    if shapes and still.any() and not still.all():
        varying = all(agree(got[leaf][:, ~still], value[:, ~still]) for leaf, value in expected.items())
        if varying:
            return "Only the features that are constant in the training set are off: centre them, and divide by 1."
    if agree(got["train_z"], expected["train_z"]):
        return "Your train_z is right; test_z has to use the same mean and the same standard deviation, those of train."
    return None


def off_by_a_factor(inputs, expected, got):
    """Remark on `importance_weights`: right but for one factor, which speaks of the normalization."""
    w, right = got["w"], expected["w"]
    if np.shape(w) != right.shape or not (np.isfinite(w).all() and len(w) > 1 and (right > 0).all()):
        return None
    ratios = w / right
    if np.allclose(ratios, ratios[0], rtol=1e-4) and ratios[0] > 0:
        return (
            f"All your weights are {ratios[0]:.6g} times the expected ones: the curve is right, so look at the "
            "constants in front of the two densities."
        )
    return None


def weighted_residuals(inputs, expected, got):
    """Remark on `weighted_least_squares`: the residuals of the right answer are orthogonal to the features."""
    theta = got["theta"]
    if np.shape(theta) != expected["theta"].shape or not np.isfinite(theta).all():
        return None
    residual = inputs["y"] - inputs["features"] @ theta
    worst = int(np.argmax(np.abs(inputs["features"].T @ (inputs["w"] * residual))))
    value = float(inputs["features"][:, worst] @ (inputs["w"] * residual))
    return (
        f"At the minimum the sum of w * feature * residual is 0 for every feature; for feature {worst} yours is "
        f"{value:.4g}. Set the derivative of the weighted sum of squares to 0 and compare."
    )


def turned(inputs, expected, got):
    """Remark on `zca_whiten`: the same point cloud, turned or mirrored."""
    z, right = got["z"], expected["z"]
    if np.shape(z) != right.shape or not np.isfinite(z).all():
        return None
    if agree(z @ z.T, right @ right.T):
        return (
            "Your z is white, but rotated or mirrored relative to the expected one: perhaps it is still in the "
            "eigenvectors' coordinates (PCA whitening). ZCA rotates back to the axes of the features as its last step."
        )
    if np.abs(z.mean(axis=0)).max() > 1e-4 * np.abs(right).max():
        return (
            "The columns of a whitened batch have mean 0, and yours do not: first subtract the mean of each column, "
            "taken over the samples (axis 0), and add nothing at the end."
        )
    return _rows_for_columns(inputs, z)


def _rows_for_columns(inputs, z):
    """Whether V and V.T are exchanged in z, whichever signs the eigenvectors have."""
    x, c = inputs["x"] - inputs["x"].mean(axis=0), z.shape[1]
    values, v = np.linalg.eigh(x.T @ x / len(x))
    if c > 4 or (values + inputs["eps"] <= 0).any():
        return None
    for signs in itertools.product((1, -1), repeat=c):
        turn = v * signs
        if agree(z, x @ turn.T @ np.diag(1 / np.sqrt(values + inputs["eps"])) @ turn):
            return (
                "You exchanged V and V.T: the eigenvectors are the COLUMNS of the matrix that eigh returns, so "
                "the whitening matrix is V D V.T."
            )
    return None


def other_eigenvalue(inputs, expected, got):
    """Remark on `max_stable_lr`: 2 over another eigenvalue, or over a sum of them."""
    eigenvalues = np.linalg.eigvalsh(inputs["features"].T @ inputs["features"] / len(inputs["features"]))
    lr = got["lr"]
    if not np.isfinite(lr) or lr <= 0:
        return None
    if np.isclose(2 / lr, eigenvalues[:-1], rtol=1e-4).any():
        return (
            "Your rate belongs to an eigenvalue that is not the largest. np.linalg.eig returns them in no particular "
            "order: take the largest of all."
        )
    if np.isclose(2 / lr, np.sqrt(np.sum(eigenvalues**2)), rtol=1e-4):
        return (
            "You took the Frobenius norm, which mixes all eigenvalues: np.linalg.norm(matrix) is not the largest one, "
            "np.linalg.norm(matrix, 2) is."
        )
    return None


STANDARDIZE = Task(
    id="standardize",
    answer="standardize",
    parameters=("train", "test"),
    returns=("train_z", "test_z"),
    cases=(
        Case("7 training and 5 test samples with 3 features", split_inputs(7, 5, 3, std=0.6)),
        Case("6 and 9 samples, the last of 4 features constant in training", split_inputs(6, 9, 4, constant=3.0)),
        Case(
            "16 training and 4 test samples around 10,000 in float32",
            split_inputs(16, 4, 3, mean=1e4, dtype=np.float32),
            1e-2,
            ONE_PASS,
        ),
    ),
    hints=(
        "Four numbers per feature could be computed from the two arrays. Which two of them may you use?",
        "Mean and standard deviation of the training set go into both results; where the deviation is 0, take 1.",
        "Chapter 2, section `Standardize with the statistics of training`: its two equations.",
    ),
    page="02_scaling_whitening.html#standardize-with-the-statistics-of-training",
    remarks=(which_set,),
)

WEIGHTS = Task(
    id="importance-weights",
    answer="importance_weights",
    parameters=("x", "source", "target"),
    returns="w",
    observe=observe_weights,
    cases=(
        Case("9 points, source (0.5, 0.5), target (0, 0.3)", ratio_inputs(9)),
        Case("6 points, a target wider than the source", ratio_inputs(6, (1.0, 0.8), (0.5, 1.7))),
        Case("6 points, 3 of them far out in both densities", ratio_inputs(6, (0.0, 1.0), (0.2, 1.0), far=3)),
        Case("7 points in float32", ratio_inputs(7, (-1.0, 2.0), (0.5, 1.5), dtype=np.float32)),
    ),
    hints=(
        "A point deserves a large weight where the target has many points and the source few. Which density is on top?",
        "With z = (x - mean) / std, a normal density has 1/std in front and -z**2/2 in the exponent. Subtract the two "
        "exponents, then use exp once.",
        "Chapter 1, section `Importance weights`: the ratio of two normal densities is its second equation.",
    ),
    page="01_covariate_shift.html#importance-weights",
    remarks=(off_by_a_factor,),
)

LEAST_SQUARES = Task(
    id="weighted-least-squares",
    answer="weighted_least_squares",
    parameters=("features", "y", "w"),
    returns="theta",
    cases=(
        Case("12 samples with 3 features, the first of them 1", regression_inputs(12, 3)),
        Case("10 samples with 2 features and no column of ones", regression_inputs(10, 2, ones=False)),
        Case("15 samples with 4 features, 5 of the weights 0", regression_inputs(15, 4, zeros=5)),
        Case("20 samples with 3 features in float32", regression_inputs(20, 3, dtype=np.float32), 1e-3),
    ),
    hints=(
        "A weight of 2 has to mean the same as having the sample twice in the data.",
        "w * residual**2 is the square of sqrt(w) * residual: an ordinary least-squares problem with rescaled rows.",
        "Chapter 1, section `Weighted least squares`: the normal equations with weights.",
    ),
    page="01_covariate_shift.html#weighted-least-squares",
    remarks=(weighted_residuals,),
)

WHITEN = Task(
    id="zca-whiten",
    answer="zca_whiten",
    parameters=("x", "eps"),
    returns="z",
    cases=(
        Case("8 samples with 3 features, eps = 0.5", mixed_inputs(8, 3, eps=0.5)),
        Case("12 samples with 2 features, eps = 0.01", mixed_inputs(12, 2, eps=0.01)),
        Case(
            "16 samples around 10,000 in float32, eps = 0.5",
            mixed_inputs(16, 3, eps=0.5, mean=1e4, dtype=np.float32),
            1e-2,
            ONE_PASS_COVARIANCE,
        ),
    ),
    hints=(
        "Centre first. Then you need the covariance of the features, a (C, C) matrix, and its eigenvectors.",
        "Rotate into the eigenvectors' coordinates, divide each by the root of its eigenvalue + eps, and rotate back.",
        "Chapter 2, section `Whitening`: ZCA is the equation with the symmetric root.",
    ),
    page="02_scaling_whitening.html#whitening",
    remarks=(turned,),
)

STABLE_LR = Task(
    id="max-stable-lr",
    answer="max_stable_lr",
    parameters=("features",),
    returns="lr",
    cases=(
        Case("9 samples with 3 features", feature_inputs(9, 3)),
        Case("20 samples with 5 features around 0", feature_inputs(20, 5, mean=0.0)),
        Case("12 samples with 4 features in float32", feature_inputs(12, 4, dtype=np.float32), 1e-4),
    ),
    hints=(
        "The loss is a bowl. What is its curvature matrix, and in which direction does it bend most?",
        "Along an eigenvector a step multiplies the error by 1 - lr * eigenvalue. When is that below -1?",
        "Chapter 2, section `The largest stable learning rate`: its last equation.",
    ),
    page="02_scaling_whitening.html#the-largest-stable-learning-rate",
    remarks=(other_eigenvalue,),
)

TASKS = [STANDARDIZE, WEIGHTS, LEAST_SQUARES, WHITEN, STABLE_LR]
