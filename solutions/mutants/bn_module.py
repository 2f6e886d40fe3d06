"""Slips in `class BatchNorm(torch.nn.Module)`.

`Base` is right; each slip overrides the one step in which it goes wrong.
"""

import torch

from solutions.mutants import mutant

TASK = "bn-module"


class Base(torch.nn.Module):
    """The layer, done right, in steps that can be overridden."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.make_parameters(num_features, affine)
        self.make_buffers(num_features, track_running_stats)

    def make_parameters(self, num_features, affine):
        self.weight = torch.nn.Parameter(torch.ones(num_features)) if affine else None
        self.bias = torch.nn.Parameter(torch.zeros(num_features)) if affine else None

    def make_buffers(self, num_features, track):
        self.register_buffer("running_mean", torch.zeros(num_features) if track else None)
        self.register_buffer("running_var", torch.ones(num_features) if track else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track else None)

    def forward(self, x):
        if self.training:
            self.require_two(x)
            var, mean = self.statistics(x)
            if self.running_mean is not None:
                self.update(x, mean, var)
        else:
            var, mean = self.for_evaluation(x)
        return self.transform(x, mean, var)

    def require_two(self, x):
        if x.numel() == x.shape[1]:
            raise ValueError(f"x has shape {tuple(x.shape)}; training needs two values per channel")

    def axes(self, x):
        return [axis for axis in range(x.ndim) if axis != 1]

    def statistics(self, x):
        return torch.var_mean(x, dim=self.axes(x), correction=0)

    def for_evaluation(self, x):
        return (self.running_var, self.running_mean) if self.running_mean is not None else self.statistics(x)

    def update(self, x, mean, var):
        m = x.numel() / x.shape[1]
        with torch.no_grad():
            self.blend(mean, var * (m / (m - 1)))
            self.count()

    def blend(self, mean, var):
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var, self.momentum)

    def count(self):
        self.num_batches_tracked += 1

    def transform(self, x, mean, var):
        x_hat = (x - self.lift(mean, x)) / torch.sqrt(self.lift(var, x) + self.eps)
        return x_hat if self.weight is None else x_hat * self.lift(self.weight, x) + self.lift(self.bias, x)

    def lift(self, value, x):
        return value.reshape([1, -1] + [1] * (x.ndim - 2))


@mutant(
    TASK,
    says="Your running variance collects the biased variance. Training normalizes with 1/m, but what is stored for "
    "evaluation is the unbiased variance, with 1/(m-1).",
)
class biased_variance_stored(Base):
    def update(self, x, mean, var):
        with torch.no_grad():
            self.blend(mean, var)
            self.count()


@mutant(TASK, says="Your momentum is the weight of the old value. Here it is the weight of the NEW batch.")
class momentum_flipped(Base):
    def blend(self, mean, var):
        self.running_mean.lerp_(mean, 1 - self.momentum)
        self.running_var.lerp_(var, 1 - self.momentum)


@mutant(
    TASK,
    says="num_batches_tracked is missing among your buffers, so torch's layer cannot load your state, nor yours its "
    "state. Register an integer that counts the batches of training.",
)
class count_missing(Base):
    def make_buffers(self, num_features, track):
        super().make_buffers(num_features, track)
        del self.num_batches_tracked

    def count(self):
        pass


@mutant(TASK, says="num_batches_tracked never changes. Add 1 for each batch of training.")
class count_not_incremented(Base):
    def count(self):
        pass


@mutant(
    TASK,
    says="Your num_batches_tracked holds a float. It counts batches: torch.tensor(0) is an integer, and layer.double() "
    "leaves it alone.",
)
class count_as_float(Base):
    def make_buffers(self, num_features, track):
        super().make_buffers(num_features, track)
        if track:
            self.num_batches_tracked = torch.tensor(0.0)


@mutant(
    TASK,
    says="Your running statistics are plain attributes: state_dict() loses them, and .to() leaves them behind. Use "
    "self.register_buffer for all three.",
)
class buffers_as_attributes(Base):
    def make_buffers(self, num_features, track):
        self.running_mean = torch.zeros(num_features) if track else None
        self.running_var = torch.ones(num_features) if track else None
        self.num_batches_tracked = torch.tensor(0) if track else None

    def blend(self, mean, var):
        self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
        self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var


@mutant(
    TASK,
    says="weight and bias are plain tensors, so no optimizer finds them and state_dict() loses them: wrap them in "
    "torch.nn.Parameter.",
)
class parameters_as_tensors(Base):
    def make_parameters(self, num_features, affine):
        self.weight = torch.ones(num_features, requires_grad=True) if affine else None
        self.bias = torch.zeros(num_features, requires_grad=True) if affine else None


@mutant(
    TASK,
    says="weight and bias are buffers. They are learned: as torch.nn.Parameter they get gradients, and an optimizer "
    "finds them.",
)
class parameters_as_buffers(Base):
    def make_parameters(self, num_features, affine):
        self.register_buffer("weight", torch.ones(num_features) if affine else None)
        self.register_buffer("bias", torch.zeros(num_features) if affine else None)


@mutant(
    TASK,
    says="Your running statistics are parameters. No gradient may move them: they are buffers, which state_dict() "
    "keeps and an optimizer does not see.",
)
class statistics_as_parameters(Base):
    def make_buffers(self, num_features, track):
        super().make_buffers(num_features, track)
        if track:
            del self.running_mean, self.running_var
            self.running_mean = torch.nn.Parameter(torch.zeros(num_features), requires_grad=False)
            self.running_var = torch.nn.Parameter(torch.ones(num_features), requires_grad=False)


@mutant(
    TASK,
    says="Your running statistics keep the graph of every batch they have seen, and memory grows with each step: "
    "update them under torch.no_grad(), or from mean.detach().",
)
class graph_kept(Base):
    def update(self, x, mean, var):
        m = x.numel() / x.shape[1]
        self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
        self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * (m / (m - 1))
        self.count()


@mutant(
    TASK,
    says="No gradient flows through your batch statistics. Compute y from mean and var with their graphs; only the "
    "running statistics are updated without a graph.",
)
class statistics_detached(Base):
    def statistics(self, x):
        return super().statistics(x.detach())


@mutant(
    TASK,
    says="In evaluation your layer normalizes with the batch at hand. It has to use running_mean and running_var.",
)
class eval_uses_batch(Base):
    def for_evaluation(self, x):
        return self.statistics(x)


@mutant(
    TASK,
    says="Your layer changed its running statistics in evaluation. There it may only read them: look at self.training.",
)
class eval_updates_running(Base):
    def for_evaluation(self, x):
        found = super().for_evaluation(x)
        found = tuple(value.clone() for value in found)
        if self.running_mean is not None:
            var, mean = self.statistics(x)
            self.update(x, mean, var)
        return found


@mutant(TASK, says="In training your layer normalizes with the running statistics. The batch's own are used there.")
class running_used_in_training(Base):
    def transform(self, x, mean, var):
        if self.training and self.running_mean is not None:
            mean, var = self.running_mean.clone(), self.running_var.clone()
        return super().transform(x, mean, var)


@mutant(TASK, says="Your running statistics never change in training: mix each batch into them.")
class never_updated(Base):
    def blend(self, mean, var):
        pass


@mutant(
    TASK,
    says="You keep running statistics although track_running_stats is False. Then there are none: the buffers are "
    "None, and evaluation uses the batch, too.",
)
class track_running_stats_ignored(Base):
    def make_buffers(self, num_features, track):
        super().make_buffers(num_features, True)


@mutant(TASK, says="You have weight and bias although affine is False. Then both are None, and y is x_hat.")
class affine_ignored(Base):
    def make_parameters(self, num_features, affine):
        super().make_parameters(num_features, True)


@mutant(
    TASK,
    says="For images you normalize each pixel on its own, over the samples. A channel has one mean and one variance: "
    "reduce over the axes 0, 2 and 3.",
)
class pixels_on_their_own(Base):
    def statistics(self, x):
        if x.ndim == 2:
            return super().statistics(x)
        return torch.var_mean(x, dim=0, keepdim=True, correction=0)

    def lift(self, value, x):
        return value if value.ndim == x.ndim else super().lift(value, x)

    def blend(self, mean, var):
        axes = [axis for axis in range(mean.ndim) if axis != 1] if mean.ndim > 1 else []
        super().blend(mean.mean(axes) if axes else mean, var.mean(axes) if axes else var)


@mutant(
    TASK,
    says="For images you take the statistics of each sample on its own, as instance normalization does. Take them over "
    "all samples of the batch as well: axes 0, 2 and 3.",
)
class samples_on_their_own(Base):
    def statistics(self, x):
        if x.ndim == 2:
            return super().statistics(x)
        return torch.var_mean(x, dim=(2, 3), keepdim=True, correction=0)

    def lift(self, value, x):
        return value if value.ndim == x.ndim else super().lift(value, x)

    def blend(self, mean, var):
        axes = [axis for axis in range(mean.ndim) if axis != 1] if mean.ndim > 1 else []
        super().blend(mean.mean(axes) if axes else mean, var.mean(axes) if axes else var)


@mutant(
    TASK,
    says="For images you corrected the variance with N, the number of samples. What counts is m, the number of values "
    "that share a mean: N * H * W.",
)
class corrected_by_samples(Base):
    def update(self, x, mean, var):
        n = max(len(x), 2)
        with torch.no_grad():
            self.blend(mean, var * (n / (n - 1)))
            self.count()


@mutant(
    TASK, says="In training you divide by m - 1, which is torch's default. The layer normalizes with 1/m: correction=0."
)
class unbiased_variance(Base):
    def transform(self, x, mean, var):
        if self.training:
            m = x.numel() / x.shape[1]
            var = var * (m / (m - 1))
        return super().transform(x, mean, var)


@mutant(TASK, says="You added eps outside the root. It belongs inside: sqrt(var + eps).")
class eps_outside_sqrt(Base):
    def transform(self, x, mean, var):
        x_hat = (x - self.lift(mean, x)) / (torch.sqrt(self.lift(var, x)) + self.eps)
        return x_hat if self.weight is None else x_hat * self.lift(self.weight, x) + self.lift(self.bias, x)


@mutant(
    TASK,
    says="Your parameters are called gamma and beta. A state_dict goes by names, and torch's names are weight and "
    "bias.",
)
class named_gamma_and_beta(Base):
    def make_parameters(self, num_features, affine):
        self.gamma = torch.nn.Parameter(torch.ones(num_features)) if affine else None
        self.beta = torch.nn.Parameter(torch.zeros(num_features)) if affine else None

    def transform(self, x, mean, var):
        self.__dict__["weight"], self.__dict__["bias"] = self.gamma, self.beta
        return super().transform(x, mean, var)


@mutant(
    TASK,
    says="In training your layer accepts a single value per channel, which has no variance. Raise ValueError, as torch "
    "does, before the running variance becomes nan.",
)
class single_value_accepted(Base):
    def require_two(self, x):
        pass


@mutant(
    TASK,
    says="Your layer refuses a single sample in evaluation as well. There the running statistics are used, so one "
    "sample is enough: raise ValueError only if self.training is True.",
)
class single_value_refused_in_evaluation(Base):
    def forward(self, x):
        self.require_two(x)
        return super().forward(x)


@mutant(
    TASK,
    says="You added the number of samples to num_batches_tracked. It counts batches: add 1 for each batch of training.",
)
class samples_counted(Base):
    def update(self, x, mean, var):
        super().update(x, mean, var)
        self.num_batches_tracked += len(x) - 1


@mutant(TASK, says="You used 1e-5 whatever eps was given. Keep the argument in self.eps.")
class eps_hard_coded(Base):
    def __init__(self, num_features, eps=1e-5, *rest, **options):
        super().__init__(num_features, 1e-5, *rest, **options)


@mutant(TASK, says="You used 0.1 whatever momentum was given. Keep the argument in self.momentum.")
class momentum_hard_coded(Base):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, *rest, **options):
        super().__init__(num_features, eps, 0.1, *rest, **options)


@mutant(
    TASK,
    says="Your running statistics are Parameters: an optimizer would train them. They are buffers: "
    "self.register_buffer(name, tensor).",
)
class statistics_as_trained_parameters(Base):
    def make_buffers(self, num_features, track):
        super().make_buffers(num_features, track)
        if track:
            del self.running_mean, self.running_var
            self.running_mean = torch.nn.Parameter(torch.zeros(num_features))
            self.running_var = torch.nn.Parameter(torch.ones(num_features))
