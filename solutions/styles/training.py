"""Right answers to the tasks of notebook 07 in other styles."""

import numpy as np
from bnlab.network import Linear, cross_entropy

from solutions.styles import style


# -- build_network ----------------------------------------------------------------------------------------------------
@style("build-network")
def layer_by_number(sizes, activation, batchnorm, rng):
    layers, count = [], len(sizes) - 1
    for number in range(1, count + 1):
        inner = number < count
        gain = activation.gain if inner else 1.0
        bias = not (inner and batchnorm)
        layers.append(Linear(sizes[number - 1], sizes[number], gain * sizes[number - 1] ** -0.5, rng, bias))
        if inner and batchnorm:
            layers.append(batchnorm(sizes[number]))
        if inner:
            layers.append(activation())
    return layers


@style("build-network")
def by_recursion(sizes, activation, batchnorm, rng):
    if len(sizes) == 2:
        return [Linear(*sizes, np.sqrt(1 / sizes[0]), rng)]
    first = Linear(sizes[0], sizes[1], np.sqrt(activation.gain**2 / sizes[0]), rng, bias=batchnorm is None)
    slot = [batchnorm(sizes[1])] if batchnorm else []
    return [first, *slot, activation(), *by_recursion(sizes[1:], activation, batchnorm, rng)]


@style("build-network")
def weights_set_afterwards(sizes, activation, batchnorm, rng):
    """Draw the weights by hand, put them into layers that were made with std = 0."""
    layers, silent = [], np.random.default_rng(0)
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        layer = Linear(fan_in, fan_out, 0.0, silent)
        layer.params["weight"] = rng.normal(0.0, activation.gain / np.sqrt(fan_in), size=(fan_in, fan_out))
        layers += [layer] + ([batchnorm(fan_out)] if batchnorm else []) + [activation()]
    while type(layers[-1]) is not Linear:
        layers.pop()
    layers[-1].params["weight"] = layers[-1].params["weight"] / activation.gain
    for layer, following in zip(layers, layers[1:]):
        if type(layer) is Linear and type(following) is not activation:
            del layer.params["bias"]
    return layers


@style("build-network")
def as_a_tuple(sizes, activation, batchnorm, rng):
    def block(fan_in, fan_out):
        linear = Linear(fan_in, fan_out, activation.gain / fan_in**0.5, rng, bias=not batchnorm)
        return (linear, batchnorm(fan_out), activation()) if batchnorm else (linear, activation())

    blocks = [block(fan_in, fan_out) for fan_in, fan_out in zip(sizes[:-2], sizes[1:-1])]
    return (*sum(blocks, ()), Linear(sizes[-2], sizes[-1], sizes[-2] ** -0.5, rng))


# -- train ------------------------------------------------------------------------------------------------------------
def run_forward(layers, h, training):
    for layer in layers:
        layer.training = training
    for layer in layers:
        h = layer.forward(h)
    return h


@style("train", "train-speed")
def with_helpers(layers, data, lr, steps, batch_size, rng):
    x_train, y_train, x_test, y_test = data
    losses, marks, accuracies = [], [], []
    for step in range(steps + 1):
        if step % 10 == 0:
            guess = np.argmax(run_forward(layers, x_test, False), axis=1)
            marks.append(step)
            accuracies.append((guess == y_test).mean())
        if step < steps:
            rows = rng.choice(len(x_train), batch_size, replace=False)
            loss, upstream = cross_entropy(run_forward(layers, x_train[rows], True), y_train[rows])
            losses.append(loss)
            for layer in layers[::-1]:
                upstream = layer.backward(upstream)
            for layer in layers:
                layer.params = {name: value - lr * layer.grads[name] for name, value in layer.params.items()}
    return {"loss": losses, "step": marks, "accuracy": accuracies}


@style("train", "train-speed")
def in_place(layers, data, lr, steps, batch_size, rng):
    """Parameters are changed in place, and each layer right after its own backward pass."""
    x_train, y_train, x_test, y_test = data
    history = {"accuracy": [np.mean(run_forward(layers, x_test, False).argmax(1) == y_test)], "step": [0], "loss": []}
    for done in range(1, steps + 1):
        rows = rng.choice(len(x_train), size=batch_size, replace=False)
        loss, grad = cross_entropy(run_forward(layers, x_train[rows], True), y_train[rows])
        history["loss"] += [loss]
        for layer in reversed(layers):
            grad = layer.backward(grad)
            for name, value in layer.params.items():
                value -= lr * layer.grads[name]
        if not done % 10:
            history["step"] += [done]
            history["accuracy"] += [np.mean(run_forward(layers, x_test, False).argmax(1) == y_test)]
    return history


@style("train", "train-speed")
def arrays_filled(layers, data, lr, steps, batch_size, rng):
    """The history as arrays of known length; rows by np.take."""
    x_train, y_train, x_test, y_test = data
    marks = np.arange(0, steps + 1, 10)
    history = {"loss": np.zeros(steps), "step": marks, "accuracy": np.zeros(len(marks))}
    for step in range(steps + 1):
        if step in marks:
            logits = run_forward(layers, x_test, False)
            history["accuracy"][step // 10] = np.count_nonzero(logits.argmax(axis=1) == y_test) / len(y_test)
        if step == steps:
            break
        rows = rng.choice(x_train.shape[0], batch_size, replace=False)
        logits = run_forward(layers, np.take(x_train, rows, axis=0), True)
        history["loss"][step], dh = cross_entropy(logits, np.take(y_train, rows))
        for place in range(len(layers) - 1, -1, -1):
            dh = layers[place].backward(dh)
        for layer in layers:
            for name in layer.grads:
                layer.params[name] = layer.params[name] - layer.grads[name] * lr
    return history


@style("train", "train-speed")
def in_blocks_of_ten(layers, data, lr, steps, batch_size, rng):
    x_train, y_train, x_test, y_test = data
    losses, marks, accuracies = [], [], []

    def one_step():
        rows = rng.choice(len(x_train), batch_size, replace=False)
        loss, dh = cross_entropy(run_forward(layers, x_train[rows], True), y_train[rows])
        for layer in reversed(layers):
            dh = layer.backward(dh)
        for layer in layers:
            for name, grad in layer.grads.items():
                layer.params[name] = layer.params[name] + (-lr) * grad
        losses.append(loss)

    for start in range(0, steps + 1, 10):
        marks.append(start)
        accuracies.append(float((run_forward(layers, x_test, False).argmax(axis=1) == y_test).mean()))
        for _ in range(min(10, steps - start)):
            one_step()
    return dict(loss=losses, step=marks, accuracy=accuracies)


# -- the layer --------------------------------------------------------------------------------------------------------
@style("train-steps")
class PastedFunctions:
    """The functions of notebooks 03 and 04 as they were, called by the layer."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.eps, self.momentum = eps, momentum
        self.training = True
        self.params = dict(gamma=np.ones(num_features), beta=np.zeros(num_features))
        self.grads = dict(gamma=np.zeros(num_features), beta=np.zeros(num_features))
        self.running_mean = np.zeros(num_features)
        self.running_var = np.ones(num_features)

    def forward(self, x):
        gamma, beta = self.params["gamma"], self.params["beta"]
        if self.training:
            self.running_mean = self.running_mean + self.momentum * (x.mean(axis=0) - self.running_mean)
            self.running_var = self.running_var + self.momentum * (x.var(axis=0, ddof=1) - self.running_var)
            y, self.cache = normalize(x, gamma, beta, self.eps)
            return y
        return gamma * ((x - self.running_mean) / np.sqrt(self.running_var + self.eps)) + beta

    def backward(self, dy):
        dx, self.grads["gamma"], self.grads["beta"] = closed_form(dy, self.cache)
        return dx


def normalize(x, gamma, beta, eps):
    inv_std = 1 / np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) * inv_std
    return gamma * x_hat + beta, (x_hat, inv_std, gamma)


def closed_form(dy, cache):
    x_hat, inv_std, gamma = cache
    dgamma, dbeta = np.einsum("nc,nc->c", dy, x_hat), np.einsum("nc->c", dy)
    return gamma * inv_std * (dy - (dbeta + x_hat * dgamma) / len(dy)), dgamma, dbeta


@style("train-steps")
class NodeByNode:
    """The input is kept; backward walks the graph."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.eps, self.momentum, self.training, self.grads = eps, momentum, True, {}
        self.params = {"beta": np.zeros(num_features), "gamma": np.ones(num_features)}
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)

    def forward(self, x):
        mean, var = (x.mean(0), x.var(0)) if self.training else (self.running_mean, self.running_var)
        if self.training:
            self.x, m, weight = x, len(x), self.momentum
            self.running_mean = weight * mean + (1 - weight) * self.running_mean
            self.running_var = weight * var * m / (m - 1) + (1 - weight) * self.running_var
        return (x - mean) / np.sqrt(var + self.eps) * self.params["gamma"] + self.params["beta"]

    def backward(self, dy):
        m, centred = len(dy), self.x - self.x.mean(0)
        inv_std = (self.x.var(0) + self.eps) ** -0.5
        dx_hat = dy * self.params["gamma"]
        dvar = -0.5 * (dx_hat * centred).sum(0) * inv_std**3
        dmu = -dx_hat.sum(0) * inv_std
        self.grads["beta"] = dy.sum(0)
        self.grads["gamma"] = (dy * (centred * inv_std)).sum(0)
        return dx_hat * inv_std + 2 / m * centred * dvar + dmu / m


@style("train-steps")
class UpdatedInPlace:
    """Running statistics changed in place on copies of its own; features first."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.training, self.eps, self.momentum = True, eps, momentum
        self.running_mean, self.running_var = np.zeros((num_features,)), np.ones((num_features,))
        self.params, self.grads = {}, {}
        self.params["gamma"], self.params["beta"] = np.ones((num_features,)), np.zeros((num_features,))

    def forward(self, x):
        rows = x.T
        if not self.training:
            inverse = 1 / np.sqrt(self.running_var + self.eps)
            return x * (self.params["gamma"] * inverse) + (
                self.params["beta"] - self.params["gamma"] * inverse * self.running_mean
            )
        centre = rows.mean(axis=1)
        centred = rows - centre[:, None]
        square = (centred * centred).mean(axis=1)
        self.running_mean = self.running_mean.copy()
        self.running_mean += self.momentum * (centre - self.running_mean)
        self.running_var = self.running_var.copy()
        self.running_var += self.momentum * (square * (rows.shape[1] / (rows.shape[1] - 1)) - self.running_var)
        self.inverse = 1 / np.sqrt(square + self.eps)
        self.hat = centred * self.inverse[:, None]
        return (self.params["gamma"][:, None] * self.hat + self.params["beta"][:, None]).T

    def backward(self, dy):
        rows = dy.T
        along = (rows * self.hat).mean(axis=1)
        self.grads = {"gamma": along * rows.shape[1], "beta": rows.sum(axis=1)}
        inner = rows - rows.mean(axis=1)[:, None] - self.hat * along[:, None]
        return ((self.params["gamma"] * self.inverse)[:, None] * inner).T


@style("train-steps")
class TwoProjections:
    """dx by taking the parts along 1 and along x_hat away, one after the other."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.eps, self.momentum = eps, momentum
        self.training, self.num_features = True, num_features
        self.params = {"gamma": np.full(num_features, 1.0), "beta": np.full(num_features, 0.0)}
        self.grads = {name: np.zeros_like(value) for name, value in self.params.items()}
        self.running_mean, self.running_var = np.full(num_features, 0.0), np.full(num_features, 1.0)

    def forward(self, x):
        if self.training:
            mean, var = np.mean(x, axis=0), np.var(x, axis=0)
            factor = len(x) / (len(x) - 1)
            for name, new in (("running_mean", mean), ("running_var", factor * var)):
                setattr(self, name, (1 - self.momentum) * getattr(self, name) + self.momentum * new)
        else:
            mean, var = self.running_mean, self.running_var
        sigma = np.sqrt(var + self.eps)
        x_hat = (x - mean) / sigma
        if self.training:
            self.sigma, self.x_hat = sigma, x_hat
        return np.multiply(self.params["gamma"], x_hat) + self.params["beta"]

    def backward(self, dy):
        ones = np.ones(len(dy), dy.dtype)
        self.grads["gamma"], self.grads["beta"] = np.sum(dy * self.x_hat, axis=0), ones @ dy
        inner = dy - np.outer(ones, ones @ dy) / len(dy)
        inner = inner - self.x_hat * np.mean(inner * self.x_hat, axis=0)
        return inner * self.params["gamma"] / self.sigma
