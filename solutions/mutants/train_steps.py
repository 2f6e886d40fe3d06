"""Slips in `class BatchNorm` as a part of a network, with forward and backward.

`Base` is right; each slip overrides the one step in which it goes wrong.
"""

import numpy as np

from solutions.mutants import mutant

TASK = "train-steps"


class Base:
    """The layer, done right, in steps that can be overridden."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.eps, self.momentum, self.training = eps, momentum, True
        self.params = {"gamma": np.ones(num_features), "beta": np.zeros(num_features)}
        self.grads = {}
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)

    def forward(self, x):
        if self.training:
            mean, var = x.mean(axis=0), self.spread(x)
            self.blend(x.mean(axis=0), x.var(axis=0, ddof=1), self.momentum)
            self.remember(x, mean, 1 / self.width(var))
            return self.scale((x - mean) / self.width(var))
        return self.evaluate(x)

    def spread(self, x):
        return x.var(axis=0)

    def width(self, var):
        return np.sqrt(var + self.eps)

    def remember(self, x, mean, inv_std):
        self.x_hat, self.inv_std = (x - mean) * inv_std, inv_std

    def recall(self):
        return self.x_hat, self.inv_std

    def gamma(self):
        return self.params["gamma"]

    def scale(self, x_hat):
        return self.params["gamma"] * x_hat + self.params["beta"]

    def blend(self, mean, var, weight):
        self.running_mean = (1 - weight) * self.running_mean + weight * mean
        self.running_var = (1 - weight) * self.running_var + weight * var

    def evaluate(self, x):
        return self.scale((x - self.running_mean) / self.width(self.running_var))

    def backward(self, dy):
        x_hat, inv_std = self.recall()
        self.keep((dy * x_hat).sum(axis=0), dy.sum(axis=0), len(dy))
        return self.gamma() * inv_std * self.bracket(dy, x_hat)

    def bracket(self, dy, x_hat):
        return dy - dy.mean(axis=0) - x_hat * (dy * x_hat).mean(axis=0)

    def keep(self, dgamma, dbeta, n):
        self.grads = {"gamma": dgamma, "beta": dbeta}


@mutant(
    TASK,
    says="Your dx treats mean and variance as constants. They depend on every sample of the batch: subtract mean(dy) "
    "and x_hat * mean(dy * x_hat).",
)
class statistics_held_constant(Base):
    def bracket(self, dy, x_hat):
        return dy


@mutant(
    TASK,
    says="Your dx leaves out the path through the variance: the term x_hat * mean(dy * x_hat) is missing.",
)
class variance_path_missing(Base):
    def bracket(self, dy, x_hat):
        return dy - dy.mean(axis=0)


@mutant(TASK, says="Your dx leaves out the path through the mean: subtract mean(dy) over the samples.")
class mean_path_missing(Base):
    def bracket(self, dy, x_hat):
        return dy - x_hat * (dy * x_hat).mean(axis=0)


@mutant(TASK, says="The 1/N is missing in your dx: it needs the means of dy and of dy * x_hat, not their sums.")
class sums_for_means(Base):
    def bracket(self, dy, x_hat):
        return dy - dy.sum(axis=0) - x_hat * (dy * x_hat).sum(axis=0)


@mutant(
    TASK,
    says="The brackets are missing: gamma * inv_std multiplies dy alone in your dx. It multiplies all three terms, "
    "gamma * inv_std * (dy - ... - ...).",
)
class brackets_missing(Base):
    def backward(self, dy):
        x_hat, inv_std = self.recall()
        super().backward(dy)
        return self.gamma() * inv_std * dy - (dy - self.bracket(dy, x_hat))


@mutant(
    TASK,
    says="gamma is missing in your dx, or it is the one from the start. dy goes through y = gamma * x_hat + beta "
    "first, with the gamma that is in params now.",
)
class gamma_missing(Base):
    def gamma(self):
        return 1.0


@mutant(TASK, says="inv_std is missing in your dx: x_hat moves by 1 / sqrt(var + eps) for each unit of x.")
class inv_std_missing(Base):
    def backward(self, dy):
        return super().backward(dy) / self.inv_std


@mutant(
    TASK,
    says="Your gradients of gamma and beta are means over the batch. They are sums; the loss has divided by N already.",
)
class gradients_averaged(Base):
    def keep(self, dgamma, dbeta, n):
        self.grads = {"gamma": dgamma / n, "beta": dbeta / n}


@mutant(TASK, says="gamma and beta are exchanged in your grads: gamma gets sum(dy * x_hat), beta gets sum(dy).")
class gradients_exchanged(Base):
    def keep(self, dgamma, dbeta, n):
        self.grads = {"gamma": dbeta, "beta": dgamma}


@mutant(
    TASK,
    says="Your gradients pile up over the calls of backward. Put new ones into grads each time: a gradient belongs to "
    "one batch.",
)
class gradients_pile_up(Base):
    def keep(self, dgamma, dbeta, n):
        old = self.grads or {"gamma": 0.0, "beta": 0.0}
        self.grads = {"gamma": old["gamma"] + dgamma, "beta": old["beta"] + dbeta}


@mutant(
    TASK,
    says="Your backward changes gamma and beta itself. It only fills grads; the update is the training loop's work.",
)
class backward_updates(Base):
    def keep(self, dgamma, dbeta, n):
        super().keep(dgamma, dbeta, n)
        self.now = self.params["gamma"]
        self.params = {"gamma": self.params["gamma"] - 0.1 * dgamma, "beta": self.params["beta"] - 0.1 * dbeta}

    def gamma(self):
        return self.now


@mutant(
    TASK,
    says="Your forward does not see new values in params. Look up params['gamma'] and params['beta'] at each call; "
    "training replaces them.",
)
class parameters_frozen(Base):
    def scale(self, x_hat):
        return x_hat

    def gamma(self):
        return 1.0


@mutant(
    TASK,
    says="Your backward keeps using the first batch. Store x_hat and inv_std anew in every forward pass of training.",
)
class first_batch_kept(Base):
    def remember(self, x, mean, inv_std):
        if not hasattr(self, "x_hat"):
            super().remember(x, mean, inv_std)


@mutant(
    TASK,
    says="Two of your layers share what they remember. Keep the cache in self, not in the class or in a global name.",
)
class cache_shared(Base):
    cache = {}

    def remember(self, x, mean, inv_std):
        self.cache["last"] = ((x - mean) * inv_std, inv_std)

    def recall(self):
        return self.cache["last"]


@mutant(
    TASK,
    says="In evaluation your layer normalizes with the batch at hand. It has to use running_mean and running_var.",
)
class eval_uses_batch(Base):
    def evaluate(self, x):
        return self.scale((x - x.mean(axis=0)) / self.width(x.var(axis=0)))


@mutant(
    TASK,
    says="Your layer changes its running statistics in evaluation. There it only reads them, or test images leak into "
    "the model.",
)
class eval_updates_running(Base):
    def evaluate(self, x):
        y = super().evaluate(x)
        self.blend(x.mean(axis=0), x.var(axis=0, ddof=1), self.momentum)
        return y


@mutant(TASK, says="Your layer does the same in both modes: look at self.training in each forward pass.")
class training_flag_ignored(Base):
    def evaluate(self, x):
        self.training = True
        y = self.forward(x)
        self.training = False
        return y


@mutant(
    TASK,
    says="Your running statistics never change. Assign the new values to self.running_mean and self.running_var in "
    "training.",
)
class never_updated(Base):
    def blend(self, mean, var, weight):
        pass


@mutant(
    TASK,
    says="Your momentum is the weight of the old value. Here, as in PyTorch, it is the weight of the NEW batch.",
)
class momentum_flipped(Base):
    def blend(self, mean, var, weight):
        super().blend(mean, var, 1 - weight)


@mutant(
    TASK,
    says="Your running variance collects the biased variance. Training normalizes with 1/N; what is stored for later "
    "is corrected to 1/(N-1).",
)
class biased_variance_stored(Base):
    def blend(self, mean, var, weight):
        n = len(self.batch)
        super().blend(mean, var * ((n - 1) / n), weight)

    def forward(self, x):
        self.batch = x
        return super().forward(x)


@mutant(
    TASK,
    says="In training your layer divides by N - 1. It normalizes with 1/N; only the running variance is corrected.",
)
class unbiased_variance(Base):
    def spread(self, x):
        return x.var(axis=0, ddof=1)


@mutant(TASK, says="You added eps after the root: it belongs inside, sqrt(var + eps), in both modes.")
class eps_outside_sqrt(Base):
    def width(self, var):
        return np.sqrt(var) + self.eps


@mutant(TASK, says="You used 1e-5 whatever eps was given. Keep the argument in the object.")
class eps_hard_coded(Base):
    def width(self, var):
        return np.sqrt(var + 1e-5)


@mutant(TASK, says="You used 0.1 whatever momentum was given. Keep the argument in the object.")
class momentum_ignored(Base):
    def blend(self, mean, var, weight):
        super().blend(mean, var, 0.1)


@mutant(TASK, says="Your gamma starts at 0, which silences the layer and all that lies before it. gamma starts at 1.")
class gamma_starts_at_zero(Base):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)
        self.params["gamma"] = np.zeros(num_features)


@mutant(TASK, says="Your layer starts in evaluation mode. A new layer has training = True.")
class starts_in_evaluation(Base):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)
        self.training = False


@mutant(
    TASK, says="Your running_var starts at 0. It starts at 1, so that a layer that has seen nothing leaves x alone."
)
class running_var_starts_at_zero(Base):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)
        self.running_var = np.zeros(num_features)


@mutant(TASK, says="Your running_var collects standard deviations. It holds a variance: mix in the unbiased variance.")
class deviation_stored(biased_variance_stored):
    def blend(self, mean, var, weight):
        Base.blend(self, mean, self.batch.std(axis=0), weight)


@mutant(
    TASK,
    says="You multiplied the variance by (N-1)/N before you stored it. The unbiased one is larger than the biased one: "
    "N/(N-1) times.",
)
class corrected_the_wrong_way(biased_variance_stored):
    def blend(self, mean, var, weight):
        n = len(self.batch)
        Base.blend(self, mean, var * ((n - 1) / n) ** 2, weight)


@mutant(TASK, says="In training your layer normalizes with the running statistics. The batch's own are used there.")
class running_used_in_training(Base):
    def forward(self, x):
        y = super().forward(x)
        if not self.training:
            return y
        self.remember(x, self.running_mean, 1 / self.width(self.running_var))
        return self.evaluate(x)
