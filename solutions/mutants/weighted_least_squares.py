"""Slips in `weighted_least_squares(features, y, w) -> theta`."""

import numpy as np

from solutions.mutants import mutant

TASK = "weighted-least-squares"


def fit(features, y):
    """Ordinary least squares."""
    return np.linalg.lstsq(features, y, rcond=None)[0]


def rows(features, factor):
    """Each sample's features times its own factor."""
    return (features.T * factor).T


def weighted(features, y, w):
    """The right answer."""
    root = np.sqrt(w)
    return fit(rows(features, root), root * y)


@mutant(
    TASK,
    says="Your weights act as squares: you multiplied features and y by w, and the residual is squared afterwards. "
    "Multiply by sqrt(w).",
)
def weights_squared(features, y, w):
    return fit(rows(features, w), w * y)


@mutant(
    TASK,
    says="Your weights act only as square roots: you took one root too many. Put w in front of each squared residual, "
    "or sqrt(w) inside the square.",
)
def weights_rooted(features, y, w):
    return weighted(features, y, np.sqrt(w))


@mutant(TASK, says="You did not use the weights. Each squared residual is multiplied by its w before the sum.")
def unweighted(features, y, w):
    return fit(features, y)


@mutant(
    TASK,
    says="You divided by the weights. A large weight says that a sample matters much, so it multiplies.",
)
def weights_inverted(features, y, w):
    if not w.all():
        raise ValueError("a weight of 0 gives infinity")
    return weighted(features, y, 1 / w)


@mutant(TASK, says="You multiplied the features by sqrt(w) and forgot y: the whole residual carries the weight.")
def targets_not_weighted(features, y, w):
    return fit(rows(features, np.sqrt(w)), y)


@mutant(TASK, says="You multiplied y by sqrt(w) and forgot the features: the whole residual carries the weight.")
def features_not_weighted(features, y, w):
    return fit(features, np.sqrt(w) * y)


@mutant(
    TASK,
    says="Your right-hand side has no weights. In the normal equations w stands on both sides: features.T W features "
    "theta = features.T W y.",
)
def right_side_unweighted(features, y, w):
    return np.linalg.solve(features.T @ rows(features, w), features.T @ y)


@mutant(
    TASK,
    says="Your matrix has no weights. In the normal equations w stands on both sides: features.T W features theta = "
    "features.T W y.",
)
def matrix_unweighted(features, y, w):
    return np.linalg.solve(features.T @ features, features.T @ (w * y))


@mutant(
    TASK,
    says="You added a column of ones. Use the features as given: where an intercept is wanted, they include such a "
    "column already.",
)
def intercept_added(features, y, w):
    return weighted(np.hstack([np.ones_like(y)[:, None], features]), y, w)


@mutant(
    TASK,
    says="You fitted an intercept and did not return it, so theta alone does not fit. Use the features as they come.",
)
def intercept_fitted_and_dropped(features, y, w):
    return intercept_added(features, y, w)[1:]


@mutant(
    TASK,
    says="You subtracted the weighted means first, which fits an intercept in secret. Use the features as they come.",
)
def centred_first(features, y, w):
    share = w / w.sum()
    return weighted(features - share @ features, y - share @ y, w)


@mutant(TASK, says="You fitted one feature at a time. The features explain y together: solve for all of theta at once.")
def one_feature_at_a_time(features, y, w):
    return (features.T @ (w * y)) / (features**2).T.dot(w)


@mutant(TASK, says="The sign of your theta is flipped: features @ theta has to come near y, not -y.")
def sign_flipped(features, y, w):
    return -weighted(features, y, w)


@mutant(TASK, says="You returned the fitted values. theta is asked for, one number for each feature.")
def fitted_values_returned(features, y, w):
    return features @ weighted(features, y, w)


@mutant(
    TASK,
    says="You weighted the targets and not the misfit: w * y is another target. Minimize the sum of w * residual**2.",
)
def targets_scaled(features, y, w):
    return fit(features, w * y / w.mean())


@mutant(
    TASK,
    says="You added a penalty on theta (ridge). The task asks for the plain weighted sum of squares.",
)
def ridge_added(features, y, w):
    gram = features.T @ rows(features, w)
    return np.linalg.solve(gram + np.eye(len(gram), dtype=gram.dtype), features.T @ (w * y))
