"""Right answers to the tasks of notebook 08 in other styles: synchronized statistics and folded models."""

import copy

import torch
import torch.distributed as dist
import torch.nn as nn

from solutions.styles import style


@style("sync-statistics")
def merged_pairs(x, group=None):
    """Every process gets the (count, mean, squares) of all, and merges them."""
    mean = x.mean(0)
    mine = torch.cat([x.new_tensor([len(x)]), mean, (x - mean).square().sum(0)])
    parts = [torch.empty_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(parts, mine, group=group)
    channels = x.shape[1]
    n, mean, squares = parts[0][0], parts[0][1 : channels + 1], parts[0][channels + 1 :]
    for part in parts[1:]:
        other = part[0]
        gap = part[1 : channels + 1] - mean
        squares = squares + part[channels + 1 :] + gap**2 * n * other / (n + other)
        mean = mean + gap * other / (n + other)
        n = n + other
    return mean, squares / n


@style("sync-statistics")
def three_messages(x, group=None):
    n = torch.tensor(x.shape[0])
    total = x.sum(dim=0)
    dist.all_reduce(n, group=group)
    dist.all_reduce(total, group=group)
    mean = total / n
    spread = torch.sum((x - mean) ** 2, dim=0)
    dist.all_reduce(spread, op=dist.ReduceOp.SUM, group=group)
    return mean, spread / n


@style("sync-statistics")
def within_and_between(x, group=None):
    """Weighted variances plus the weighted spread of the means."""

    def weighted(value):
        value = value * (len(x) / n)
        dist.all_reduce(value, group=group)
        return value

    n = torch.tensor(float(len(x)), dtype=torch.float64)
    dist.all_reduce(n, group=group)
    n = n.item()
    var, own = torch.var_mean(x, dim=0, correction=0)
    mean = weighted(own)
    return mean, weighted(var) + weighted((own - mean) ** 2)


@style("sync-statistics")
def in_double(x, group=None):
    """Sums of squares in float64, less a common offset."""
    offset = x[:1].double()
    first = [torch.empty_like(offset) for _ in range(dist.get_world_size(group))]
    dist.all_gather(first, offset, group=group)
    z = x.double() - first[0]
    totals = torch.stack([torch.full_like(z[0], len(z)), z.sum(0), (z * z).sum(0)])
    dist.all_reduce(totals, group=group)
    n, total, squares = totals
    mean = total / n
    return (mean + first[0][0]).to(x.dtype), (squares / n - mean**2).to(x.dtype)


@style("sync-statistics")
def gathered_objects(x, group=None):
    """Python objects instead of tensors."""
    everything = [None] * dist.get_world_size(group)
    dist.all_gather_object(everything, (len(x), x.sum(0)), group=group)
    n = sum(count for count, _ in everything)
    mean = sum(total for _, total in everything) / n
    dist.all_gather_object(everything, ((x - mean) ** 2).sum(0), group=group)
    return mean, sum(everything) / n


@style("fold-model")
def recursive(model):
    """Rebuilds each Sequential from its children."""
    model = copy.deepcopy(model)
    model.eval()

    def visit(part):
        previous = None
        for name, child in part.named_children():
            folds = isinstance(previous, (nn.Linear, nn.Conv2d)) and isinstance(part, nn.Sequential)
            if folds and isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)) and child.track_running_stats:
                setattr(part, name, nn.Identity())
                std = torch.sqrt(child.running_var + child.eps)
                slope = (child.weight.data if child.affine else 1) / std
                before = previous.bias.data if previous.bias is not None else torch.zeros_like(std)
                after = child.bias.data if child.affine else 0
                previous.weight.data = torch.einsum("o...,o->o...", previous.weight.data, slope)
                previous.bias = nn.Parameter((before - child.running_mean) * slope + after)
            else:
                visit(child)
            previous = child

    visit(model)
    return model.eval()


@style("fold-model")
def with_new_layers(model):
    """Puts fresh linear layers in, with all the settings of the old ones."""

    def renewed(layer, norm):
        line = copy.deepcopy(layer)
        scale = 1 / torch.sqrt(norm.running_var + norm.eps)
        shift = -norm.running_mean * scale
        if norm.weight is not None:
            scale, shift = scale * norm.weight, shift * norm.weight + norm.bias
        line.bias = nn.Parameter(shift if layer.bias is None else shift + scale * layer.bias)
        with torch.no_grad():
            for row, factor in zip(line.weight, scale):
                row *= factor
        return line

    result = copy.deepcopy(model).train(False)
    for sequence in result.modules():
        if type(sequence) is not nn.Sequential:
            continue
        for i in range(len(sequence) - 1):
            kinds = (
                isinstance(sequence[i], (nn.Linear, nn.Conv2d)),
                isinstance(sequence[i + 1], nn.modules.batchnorm._BatchNorm),
            )
            if all(kinds) and sequence[i + 1].running_mean is not None:
                sequence[i], sequence[i + 1] = renewed(sequence[i], sequence[i + 1]), nn.Identity()
    return result


@style("fold-model")
def probed(model):
    """Finds slope and offset of a normalization by feeding it zeros and ones."""
    folded = copy.deepcopy(model).eval()
    for part in folded.modules():
        children = list(part.named_children()) if isinstance(part, nn.Sequential) else []
        for (_, layer), (name, norm) in zip(children[:-1], children[1:]):
            if not isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)) or norm.running_var is None:
                continue
            if not isinstance(layer, (nn.Linear, nn.Conv2d)):
                continue
            axes = (1, norm.num_features) + (1,) * (layer.weight.dim() - 2)
            with torch.no_grad():
                offset = norm(layer.weight.new_zeros(axes)).flatten()
                slope = norm(layer.weight.new_ones(axes)).flatten() - offset
                layer.weight *= slope.reshape(-1, *axes[2:], 1)
                layer.bias = nn.Parameter(offset if layer.bias is None else offset + slope * layer.bias)
            part._modules[name] = nn.Identity()
    return folded


@style("fold-model")
def by_name(model):
    """Walks over the names of all modules and finds each normalization's predecessor."""
    folded = copy.deepcopy(model).eval().requires_grad_(False)
    for path, part in list(folded.named_modules()):
        if not isinstance(part, nn.Sequential):
            continue
        keys = list(part._modules)
        for key, following in zip(keys, keys[1:]):
            layer, norm = part._modules[key], part._modules[following]
            if isinstance(layer, (nn.Linear, nn.Conv2d)) and isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)):
                if not norm.track_running_stats:
                    continue
                gamma = norm.weight if norm.affine else torch.ones_like(norm.running_var)
                beta = norm.bias if norm.affine else torch.zeros_like(norm.running_var)
                scale = gamma * (norm.running_var + norm.eps).rsqrt()
                if layer.bias is None:
                    layer.bias = nn.Parameter(torch.zeros_like(scale), requires_grad=False)
                layer.bias.copy_(scale * (layer.bias - norm.running_mean) + beta)
                layer.weight.copy_((layer.weight.transpose(0, -1) * scale).transpose(0, -1))
                folded.set_submodule(f"{path}.{following}".lstrip("."), nn.Identity())
    return folded
