"""Right answers to the tasks of notebook 08 in other styles: the function and the module."""

import torch
import torch.nn as nn

from solutions.styles import style


@style("bn-function")
class NodeByNode(torch.autograd.Function):
    """The backward pass as six nodes, with attributes of ctx instead of saved tensors."""

    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        ctx.centred = x - x.mean(0, keepdim=True)
        ctx.std = (ctx.centred.pow(2).mean(0) + eps).sqrt()
        ctx.gamma = gamma
        return ctx.centred / ctx.std * gamma + beta

    @staticmethod
    def backward(ctx, dy):
        dx_hat = dy * ctx.gamma
        dvar = (dx_hat * ctx.centred).sum(0) * -0.5 / ctx.std**3
        dmu = -dx_hat.sum(0) / ctx.std
        dx = dx_hat / ctx.std + 2 * ctx.centred * dvar / len(dy) + dmu / len(dy)
        return dx, (dy * ctx.centred / ctx.std).sum(0), dy.sum(0), None


@style("bn-function")
class WithSetupContext(torch.autograd.Function):
    """The newer form: forward without ctx, and a method that fills it."""

    @staticmethod
    def forward(x, gamma, beta, eps):
        var, mean = torch.var_mean(x, 0, correction=0)
        return torch.addcmul(beta, gamma, (x - mean) / torch.sqrt(var + eps))

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, gamma, _, ctx.eps = inputs
        ctx.save_for_backward(x, gamma)

    @staticmethod
    def backward(ctx, dy):
        x, gamma = ctx.saved_tensors
        var, mean = torch.var_mean(x, 0, correction=0)
        std = torch.sqrt(var + ctx.eps)
        x_hat = (x - mean) / std
        n, dgamma, dbeta = dy.shape[0], torch.einsum("nc,nc->c", dy, x_hat), torch.einsum("nc->c", dy)
        return gamma / (n * std) * (n * dy - dbeta - x_hat * dgamma), dgamma, dbeta, None


@style("bn-function")
class OnlyWhatIsNeeded(torch.autograd.Function):
    """Computes a gradient where one is asked for."""

    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        mean = x.sum(dim=0) / x.size(0)
        var = ((x - mean) ** 2).sum(dim=0) / x.size(0)
        inv_std = (var + eps) ** -0.5
        x_hat = (x - mean) * inv_std
        ctx.save_for_backward(x_hat, gamma * inv_std)
        return x_hat * gamma[None] + beta[None]

    @staticmethod
    def backward(ctx, dy):
        x_hat, scale = ctx.saved_tensors
        dx = dgamma = dbeta = None
        if ctx.needs_input_grad[0]:
            dx = scale * (dy - dy.mean(dim=0) - x_hat * (dy * x_hat).mean(dim=0))
        if ctx.needs_input_grad[1]:
            dgamma = torch.sum(dy * x_hat, dim=0)
        if ctx.needs_input_grad[2]:
            dbeta = torch.sum(dy, dim=0)
        return dx, dgamma, dbeta, None


@style("bn-function")
class Recomputed(torch.autograd.Function):
    """Keeps the inputs only, and lets autograd differentiate a second forward pass."""

    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        ctx.save_for_backward(x, gamma, beta)
        ctx.eps = eps
        return Recomputed.transform(x, gamma, beta, eps)

    @staticmethod
    def transform(x, gamma, beta, eps):
        z = x - x.mean(0)
        return gamma * z / torch.sqrt((z * z).mean(0) + eps) + beta

    @staticmethod
    def backward(ctx, dy):
        leaves = [value.detach().requires_grad_() for value in ctx.saved_tensors]
        with torch.enable_grad():
            y = Recomputed.transform(*leaves, ctx.eps)
        return *torch.autograd.grad(y, leaves, dy), None


@style("bn-module")
class ChannelsLast(nn.Module):
    """Brings the channels to the last axis, works on rows, and goes back."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.track = track_running_stats
        self.weight = nn.Parameter(torch.ones(num_features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine else None
        if track_running_stats:
            self.register_buffer("running_mean", torch.zeros(num_features))
            self.register_buffer("running_var", torch.ones(num_features))
            self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))

    def forward(self, x):
        last = x.movedim(1, -1)
        rows = last.reshape(-1, x.shape[1])
        if self.training or not self.track:
            if self.training and len(rows) == 1:
                raise ValueError("one value per channel has no variance")
            mean = rows.mean(0)
            var = rows.var(0, unbiased=False)
        else:
            mean, var = self.running_mean, self.running_var
        if self.training and self.track:
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean.detach()
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * rows.detach().var(0)
            self.num_batches_tracked = self.num_batches_tracked + 1
        y = (rows - mean) / torch.sqrt(var + self.eps)
        if self.weight is not None:
            y = y * self.weight + self.bias
        return y.reshape(last.shape).movedim(-1, 1)


@style("bn-module")
class TwoMethods(nn.Module):
    """One method for each mode, statistics in place with lerp_."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.settings = eps, momentum
        self.register_parameter("weight", nn.Parameter(torch.full((num_features,), 1.0)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.full((num_features,), 0.0)) if affine else None)
        start = (torch.zeros(num_features), torch.ones(num_features), torch.tensor(0))
        for name, value in zip(("running_mean", "running_var", "num_batches_tracked"), start):
            self.register_buffer(name, value if track_running_stats else None)

    def forward(self, x):
        if self.training:
            mean, var = self.learn(x)
        elif self.running_mean is None:
            mean, var = self.look(x)
        else:
            mean, var = self.running_mean, self.running_var
        return self.apply_line(x, mean, var)

    def look(self, x):
        axes = tuple(axis for axis in range(x.dim()) if axis != 1)
        var, mean = torch.var_mean(x, axes, unbiased=False)
        return mean, var

    def learn(self, x):
        m = x[:, 0].numel()
        if m < 2:
            raise ValueError(f"a batch of shape {tuple(x.shape)} has {m} value per channel")
        mean, var = self.look(x)
        if self.running_mean is not None:
            self.running_mean.lerp_(mean.detach(), self.settings[1])
            self.running_var.lerp_(var.detach() * m / (m - 1), self.settings[1])
            self.num_batches_tracked.add_(1)
        return mean, var

    def apply_line(self, x, mean, var):
        slope = torch.rsqrt(var + self.settings[0])
        if self.weight is not None:
            slope = slope * self.weight
        offset = 0 if self.bias is None else self.bias[(None, ...) + (None,) * (x.dim() - 2)]
        around = x - mean[(None, ...) + (None,) * (x.dim() - 2)]
        return around * slope[(None, ...) + (None,) * (x.dim() - 2)] + offset


class OwnFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows, eps):
        var, mean = torch.var_mean(rows, 0, correction=0)
        std = torch.sqrt(var + eps)
        x_hat = (rows - mean) / std
        ctx.save_for_backward(x_hat, std)
        ctx.mark_non_differentiable(mean, var)
        return x_hat, mean, var

    @staticmethod
    def backward(ctx, dy, dmean, dvar):
        x_hat, std = ctx.saved_tensors
        return (dy - dy.mean(0) - x_hat * (dy * x_hat).mean(0)) / std, None


@style("bn-module")
class OnOwnFunction(nn.Module):
    """Built on an autograd function that returns x_hat and the statistics."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum, self.num_features = eps, momentum, num_features
        self.weight = self.bias = None
        if affine:
            self.weight, self.bias = nn.Parameter(torch.ones(num_features)), nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        rows = x.transpose(0, 1).flatten(1).T
        if self.training and rows.shape[0] < 2:
            raise ValueError("too few values")
        if self.training or self.running_mean is None:
            x_hat, mean, var = OwnFunction.apply(rows, self.eps)
            if self.training and self.running_mean is not None:
                m = rows.shape[0]
                for stored, new in ((self.running_mean, mean), (self.running_var, var * m / (m - 1))):
                    stored.mul_(1 - self.momentum).add_(new, alpha=self.momentum)
                self.num_batches_tracked += 1
        else:
            x_hat = (rows - self.running_mean) * (self.running_var + self.eps) ** -0.5
        y = x_hat if self.weight is None else x_hat * self.weight + self.bias
        return y.T.reshape(x.shape[1], x.shape[0], *x.shape[2:]).transpose(0, 1)


@style("bn-module")
class KeepDims(nn.Module):
    """Statistics with all axes kept, buffers assigned anew."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        if affine:
            self.weight = nn.Parameter(torch.empty(num_features))
            self.bias = nn.Parameter(torch.empty(num_features))
            nn.init.ones_(self.weight)
            nn.init.zeros_(self.bias)
        if track_running_stats:
            for name, start in (("running_mean", 0.0), ("running_var", 1.0)):
                self.register_buffer(name, torch.full([num_features], start))
            self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        over = [0] + list(range(2, x.dim()))
        wide = [1, x.shape[1]] + [1] * (x.dim() - 2)
        if self.training:
            count = x.numel() / x.shape[1]
            if count == 1:
                raise ValueError("expected more than one value per channel")
        if self.training or not self.track_running_stats:
            mean = x.mean(dim=over, keepdim=True)
            var = (x - mean).square().mean(dim=over, keepdim=True)
            if self.training and self.track_running_stats:
                with torch.no_grad():
                    old, new = 1 - self.momentum, self.momentum
                    self.running_mean = old * self.running_mean + new * mean.flatten()
                    self.running_var = old * self.running_var + new * var.flatten() * count / (count - 1)
                    self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean.reshape(wide), self.running_var.reshape(wide)
        y = (x - mean) / (var + self.eps).sqrt()
        return y * self.weight.reshape(wide) + self.bias.reshape(wide) if self.affine else y
