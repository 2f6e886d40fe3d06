"""Small torch models that have batch normalization in them, for the tests of `fold_model`."""

from torch import nn


class Residual(nn.Module):
    """x + body(x): a model that is no Sequential, with one inside."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.ReLU())

    def forward(self, x):
        return x + self.body(x)


def linear():
    return nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4, eps=0.5), nn.ReLU(), nn.Linear(4, 3))


def square():
    """As many features as inputs, so that a scale on the other axis has the right shape, too."""
    return nn.Sequential(nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4, eps=0.5), nn.Tanh())


def convolution():
    return nn.Sequential(
        nn.Conv2d(3, 3, 3, stride=2, padding=1),
        nn.BatchNorm2d(3, eps=0.5),
        nn.ReLU(),
        nn.Conv2d(3, 2, (1, 2), bias=False),
        nn.BatchNorm2d(2),
    )


def apart():
    """Two layers that stay: the first has no linear layer before it, the second an activation in between."""
    return nn.Sequential(
        nn.BatchNorm1d(4),
        nn.Linear(4, 4),
        nn.ReLU(),
        nn.BatchNorm1d(4, eps=0.5),
        nn.Linear(4, 4),
        nn.BatchNorm1d(4, eps=0.5),
    )


def nested():
    first = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, eps=0.5), nn.ReLU())
    second = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    return nn.Sequential(first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), second)


def grouped():
    return nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6, eps=0.5), nn.Sigmoid())


def residual():
    return nn.Sequential(Residual(), nn.Conv2d(3, 2, 1, bias=False), nn.BatchNorm2d(2, eps=0.5))


def without_affine():
    return nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3, eps=0.5, affine=False), nn.ReLU())


def untracked():
    """Without running statistics there is nothing to fold."""
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, track_running_stats=False), nn.Linear(3, 2))


def with_dropout():
    return nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2), nn.BatchNorm1d(2))


MODELS = {
    make.__name__: make
    for make in (linear, square, convolution, apart, nested, grouped, residual, without_affine, untracked, with_dropout)
}
