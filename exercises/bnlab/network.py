"""Parts of a network: layers with a forward and a backward pass, and the loss. NumPy only.

Every layer, yours included, has

    params        dict, name -> array: what training changes
    grads         dict, the same names -> gradient of the loss, filled by `backward`
    training      bool, set from outside: True while the network learns, False in evaluation
    forward(x)    returns y and remembers what the backward pass needs
    backward(dy)  returns dx and fills `grads`; it changes no parameter

There is no batch normalization here: that layer is yours.
"""

import numpy as np


class Layer:
    """A layer without parameters that returns what it gets; the other parts are built on it."""

    def __init__(self):
        self.params, self.grads, self.training = {}, {}, True

    def forward(self, x):
        return x

    def backward(self, dy):
        return dy


class Linear(Layer):
    """y = x @ weight + bias.

    Parameters
    ----------
    fan_in, fan_out : int
        Number of inputs and of outputs.
    std : float
        Standard deviation of the initial weights, which are normal with mean 0; the bias starts at 0.
    rng : numpy.random.Generator
        fan_in * fan_out normal numbers are drawn from it.
    bias : bool
        Whether there is one: `params` holds "weight", shape (fan_in, fan_out), and perhaps "bias", shape (fan_out,).
    """

    def __init__(self, fan_in, fan_out, std, rng, bias=True):
        super().__init__()
        self.params["weight"] = std * rng.standard_normal((fan_in, fan_out))
        if bias:
            self.params["bias"] = np.zeros(fan_out)

    def forward(self, x):
        self.x = x
        y = x @ self.params["weight"]  # (N, fan_out)
        return y + self.params["bias"] if "bias" in self.params else y

    def backward(self, dy):
        self.grads = {"weight": self.x.T @ dy}
        if "bias" in self.params:
            self.grads["bias"] = dy.sum(axis=0)
        return dy @ self.params["weight"].T


class ReLU(Layer):
    """y = max(x, 0). `gain` keeps the mean square of the signal constant through depth (He et al. 2015)."""

    gain = np.sqrt(2.0)

    def forward(self, x):
        self.passed = x > 0
        return x * self.passed

    def backward(self, dy):
        return dy * self.passed


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)), by way of tanh, which cannot overflow."""

    gain = 1.0

    def forward(self, x):
        self.y = (1 + np.tanh(x / 2)) / 2
        return self.y

    def backward(self, dy):
        return dy * self.y * (1 - self.y)


class ScaleShift(Layer):
    """y = gamma * x + beta for each feature: a layer with the parameters of batch normalization and no statistics.

    It stands in for yours where a network is tested without it.
    """

    def __init__(self, num_features):
        super().__init__()
        self.params.update(gamma=np.ones(num_features), beta=np.zeros(num_features))

    def forward(self, x):
        self.x = x
        return x * self.params["gamma"] + self.params["beta"]

    def backward(self, dy):
        self.grads["gamma"], self.grads["beta"] = np.einsum("nc,nc->c", dy, self.x), dy.sum(axis=0)
        return dy * self.params["gamma"]


class Dropout(Layer):
    """In training each entry is 0 with probability `rate`, and 1 / (1 - rate) times x otherwise; in evaluation y = x.

    Parameters
    ----------
    rate : float
        Between 0 and 1.
    rng : numpy.random.Generator
        Its own; one uniform number is drawn for each entry in training, none in evaluation.
    """

    def __init__(self, rate, rng):
        super().__init__()
        self.rate, self.rng = rate, rng

    def forward(self, x):
        self.mask = np.ones((), x.dtype)
        if self.training:
            self.mask = ((self.rng.random(x.shape) >= self.rate) / (1 - self.rate)).astype(x.dtype)
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


def cross_entropy(logits, labels):
    """Softmax cross-entropy, the mean over a batch.

    loss = -1/N sum_n log p[n, labels[n]],  p = softmax of each row of the logits

    Parameters
    ----------
    logits : ndarray, shape (N, K), float
    labels : ndarray, shape (N,), int
        From 0 to K - 1.

    Returns
    -------
    loss : float
    dlogits : ndarray, shape (N, K), dtype of logits
        Its gradient, (p - onehot) / N: the mean over the batch is taken already.

    Examples
    --------
    >>> loss, dlogits = cross_entropy(np.zeros((1, 2)), np.array([0]))
    >>> round(loss, 4), dlogits.tolist()
    (0.6931, [[-0.5, 0.5]])
    """
    rows = np.arange(len(labels))
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    dlogits = np.exp(log_p)
    dlogits[rows, labels] -= 1
    return float(-log_p[rows, labels].mean()), dlogits / len(labels)


def cast(layers, dtype):
    """Turn all arrays of a network into another dtype, in place; returns the layers.

    Parameters
    ----------
    layers : list
        Layers with `params`; other arrays among their attributes (running statistics) are turned as well.
    dtype : numpy floating type
        float32 for training that should be fast, float64 for checks.
    """
    for layer in layers:
        layer.params = {name: array.astype(dtype) for name, array in layer.params.items()}
        for name, value in vars(layer).items():
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                setattr(layer, name, value.astype(dtype))
    return layers
