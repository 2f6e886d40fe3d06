"""Slips in `class BatchNorm(num_features, eps=1e-5, momentum=0.1)`.

`Base` is right; each slip overrides the one step in which it goes wrong.
"""

import numpy as np

from solutions.mutants import mutant

TASK = "forward-layer"


class Base:
    """The layer, done right, in steps that can be overridden."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.eps, self.momentum, self.training = eps, momentum, True
        self.gamma, self.beta = np.ones(num_features), np.zeros(num_features)
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)

    def __call__(self, x):
        if self.training:
            self.update(x)
            return self.normalize(x, *self.batch_statistics(x))
        return self.evaluate(x)

    def batch_statistics(self, x):
        return x.mean(axis=0), x.var(axis=0)

    def normalize(self, x, mu, var):
        return self.gamma * (x - mu) / np.sqrt(var + self.eps) + self.beta

    def evaluate(self, x):
        return self.normalize(x, self.running_mean, self.running_var)

    def update(self, x):
        self.blend(x.mean(axis=0), x.var(axis=0, ddof=1), self.momentum)

    def blend(self, mean, var, weight):
        self.running_mean = (1 - weight) * self.running_mean + weight * mean
        self.running_var = (1 - weight) * self.running_var + weight * var


@mutant(
    TASK,
    says="Your layer changed its running statistics in evaluation. There it only reads them, or a test set would "
    "leak into the model.",
)
class eval_updates_running(Base):
    def evaluate(self, x):
        y = super().evaluate(x)
        self.update(x)
        return y


@mutant(
    TASK,
    says="In evaluation your layer normalizes with the batch at hand. It has to use running_mean and running_var.",
)
class eval_uses_batch(Base):
    def evaluate(self, x):
        return self.normalize(x, *self.batch_statistics(x))


@mutant(TASK, says="Your layer does the same in both modes: look at self.training at each call.")
class training_flag_ignored(Base):
    def evaluate(self, x):
        self.update(x)
        return self.normalize(x, *self.batch_statistics(x))


@mutant(
    TASK,
    says="Your running statistics never change. Assign the new values to self.running_mean and self.running_var; a "
    "local variable is forgotten when the call ends.",
)
class never_updated(Base):
    def update(self, x):
        pass


@mutant(
    TASK,
    says="Your running statistics are those of the last batch alone. Keep the old values with weight 1 - momentum.",
)
class overwritten(Base):
    def update(self, x):
        self.blend(x.mean(axis=0), x.var(axis=0, ddof=1), 1.0)


@mutant(
    TASK,
    says="Your momentum is the weight of the old value. Here, as in PyTorch, it is the weight of the NEW batch.",
)
class momentum_flipped(Base):
    def update(self, x):
        self.blend(x.mean(axis=0), x.var(axis=0, ddof=1), 1 - self.momentum)


@mutant(TASK, says="You used 0.1 whatever momentum was given. Keep the argument in the object.")
class momentum_ignored(Base):
    def update(self, x):
        self.blend(x.mean(axis=0), x.var(axis=0, ddof=1), 0.1)


@mutant(
    TASK,
    says="Your running variance collects the biased variance. Training normalizes with 1/N; what is stored for later"
    " is corrected to 1/(N-1).",
)
class biased_variance_stored(Base):
    def update(self, x):
        self.blend(x.mean(axis=0), x.var(axis=0), self.momentum)


@mutant(
    TASK,
    says="In training your layer divides by N - 1. It normalizes with 1/N; only the running variance is corrected.",
)
class unbiased_variance(Base):
    def batch_statistics(self, x):
        return x.mean(axis=0), x.var(axis=0, ddof=1)


@mutant(
    TASK,
    says="You computed the variance as mean(x**2) - mean(x)**2, which loses its digits far from zero: subtract the "
    "mean first, then square.",
)
class one_pass_variance(Base):
    def batch_statistics(self, x):
        mu = x.mean(axis=0)
        return mu, (x * x).mean(axis=0) - mu * mu

    def update(self, x):
        mu, var = self.batch_statistics(x)
        self.blend(mu, var * (len(x) / (len(x) - 1)), self.momentum)


@mutant(
    TASK,
    says="In training your layer normalizes with the running statistics. The batch's own are used there, and the "
    "gradient flows through them.",
)
class running_used_in_training(Base):
    def batch_statistics(self, x):
        return self.running_mean, self.running_var


@mutant(TASK, says="Your layer updates its statistics from its output. They describe x, the input.")
class updated_from_output(Base):
    def update(self, x):
        super().update(self.normalize(x, *self.batch_statistics(x)))


@mutant(
    TASK,
    says="Your running_var starts at 0. It starts at 1, so that an untrained layer leaves its input alone in "
    "evaluation.",
)
class running_var_starts_at_zero(Base):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)
        self.running_var = np.zeros(num_features)


@mutant(TASK, says="Your running_mean starts at 1. It starts at 0.")
class running_mean_starts_at_one(Base):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)
        self.running_mean = np.ones(num_features)


@mutant(TASK, says="Your gamma starts at 0, which would silence the layer. gamma starts at 1 and beta at 0.")
class gamma_starts_at_zero(Base):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)
        self.gamma = np.zeros(num_features)


@mutant(TASK, says="Your layer starts in evaluation mode. A new layer has training = True.")
class starts_in_evaluation(Base):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)
        self.training = False


@mutant(TASK, says="You left eps out: divide by sqrt(var + eps) in both modes.")
class eps_missing(Base):
    def normalize(self, x, mu, var):
        return self.gamma * (x - mu) / np.sqrt(var) + self.beta


@mutant(TASK, says="You added eps after the root: it belongs inside, sqrt(var + eps).")
class eps_outside_sqrt(Base):
    def normalize(self, x, mu, var):
        return self.gamma * (x - mu) / (np.sqrt(var) + self.eps) + self.beta


@mutant(TASK, says="In evaluation your eps stands outside the root. Both modes divide by sqrt(variance + eps).")
class eval_eps_outside_sqrt(Base):
    def evaluate(self, x):
        return self.gamma * (x - self.running_mean) / (np.sqrt(self.running_var) + self.eps) + self.beta


@mutant(TASK, says="In evaluation your layer leaves out gamma and beta. They belong to both modes.")
class eval_forgets_gamma_and_beta(Base):
    def evaluate(self, x):
        return (x - self.running_mean) / np.sqrt(self.running_var + self.eps)


@mutant(TASK, says="You used 1e-5 whatever eps was given. Keep the argument in the object.")
class eps_hard_coded(Base):
    def normalize(self, x, mu, var):
        return self.gamma * (x - mu) / np.sqrt(var + 1e-5) + self.beta


@mutant(
    TASK,
    says="Your layer ignores later values of self.gamma and self.beta. Read the attributes at each call; training "
    "changes them.",
)
class parameters_frozen(Base):
    def normalize(self, x, mu, var):
        return (x - mu) / np.sqrt(var + self.eps)


@mutant(
    TASK,
    says="Your layers share their running statistics, because these are kept in the class. Keep them in the object: "
    "self.running_mean and self.running_var.",
)
class statistics_shared(Base):
    kept = {}

    running_mean = property(lambda self: self.kept["mean"], lambda self, value: self.kept.update(mean=value))
    running_var = property(lambda self: self.kept["var"], lambda self, value: self.kept.update(var=value))
