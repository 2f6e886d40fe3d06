"""Slips in `sync_batch_statistics(x, group=None) -> (mean, var)`; each runs in real processes and never deadlocks."""

import torch
import torch.distributed as dist

from solutions.mutants import mutant

TASK = "sync-statistics"


def total(value, group):
    """The sum of a tensor over the processes of a group."""
    value = value.clone()
    dist.all_reduce(value, group=group)
    return value


def count(x, group):
    return total(x.new_tensor(float(len(x))), group)


@mutant(
    TASK,
    says="You averaged the processes' means and variances. The mean of means is off if shards differ in size, and the "
    "average of variances misses how far apart the shards' means lie.",
)
def averages_of_shards(x, group=None):
    var, mean = torch.var_mean(x, dim=0, correction=0)
    world = dist.get_world_size(group)
    return total(mean, group) / world, total(var, group) / world


@mutant(
    TASK,
    says="Your variance is the weighted average of the shards' variances. Add the spread of their means: each process "
    "has to take its distances from the mean of ALL samples.",
)
def between_shards_missing(x, group=None):
    var, mean = torch.var_mean(x, dim=0, correction=0)
    n = count(x, group)
    return total(len(x) * mean, group) / n, total(len(x) * var, group) / n


@mutant(
    TASK,
    says="Your mean gives each process the same weight. Shards differ in size: add up sums and counts, then divide.",
)
def means_unweighted(x, group=None):
    mean = total(x.mean(0), group) / dist.get_world_size(group)
    return mean, total((x - mean).square().sum(0), group) / count(x, group)


@mutant(
    TASK,
    says="Each process has its own statistics: nothing was exchanged. torch.distributed.all_reduce adds a tensor up "
    "over the processes, in place.",
)
def nothing_exchanged(x, group=None):
    var, mean = torch.var_mean(x, dim=0, correction=0)
    return mean, var


@mutant(
    TASK,
    says="You added up the sums over the processes and divided by this process's own count. The counts have to be "
    "added up, too.",
)
def counts_not_exchanged(x, group=None):
    mean = total(x.sum(0), group) / len(x)
    return mean, total((x - mean).square().sum(0), group) / len(x)


@mutant(
    TASK,
    says="You took this process's count times the number of processes for the number of samples. Shards differ in "
    "size: exchange the counts.",
)
def equal_shards_assumed(x, group=None):
    n = len(x) * dist.get_world_size(group)
    mean = total(x.sum(0), group) / n
    return mean, total((x - mean).square().sum(0), group) / n


@mutant(
    TASK,
    says="You divided by the number of samples and once more by the number of processes. all_reduce adds up: one "
    "division by the sum of the counts is enough.",
)
def divided_by_processes_too(x, group=None):
    n = count(x, group) * dist.get_world_size(group)
    mean = total(x.sum(0), group) / n
    return mean, total((x - mean).square().sum(0), group) / n


@mutant(TASK, says="Your variance divides by n - 1. Training normalizes with the biased one: divide by n.")
def unbiased_variance(x, group=None):
    n = count(x, group)
    mean = total(x.sum(0), group) / n
    return mean, total((x - mean).square().sum(0), group) / (n - 1)


@mutant(
    TASK,
    says="You computed the variance from sums of squares, which loses its digits far from zero: exchange the mean "
    "first, then add up squared distances from it.",
)
def one_pass_variance(x, group=None):
    n = count(x, group)
    mean = total(x.sum(0), group) / n
    return mean, total(x.square().sum(0), group) / n - mean.square()


@mutant(
    TASK,
    says="You exchanged with all processes whatever group was given. Pass group on to each collective call.",
)
def group_ignored(x, group=None):
    n = count(x, None)
    mean = total(x.sum(0), None) / n
    return mean, total((x - mean).square().sum(0), None) / n


@mutant(
    TASK,
    says="Only one process knows the result. reduce leaves the sum on one process; all_reduce leaves it on all, and "
    "all of them need it.",
)
def reduced_to_one(x, group=None):
    def gathered(value):
        value = value.clone()
        dist.reduce(value, dst=dist.get_process_group_ranks(group or dist.group.WORLD)[0], group=group)
        return value

    n = gathered(x.new_tensor(float(len(x))))
    mean = gathered(x.sum(0)) / n
    return mean, gathered((x - mean).square().sum(0)) / n


@mutant(TASK, says="You returned the standard deviation. The second result is the variance, without a root.")
def standard_deviation(x, group=None):
    n = count(x, group)
    mean = total(x.sum(0), group) / n
    return mean, torch.sqrt(total((x - mean).square().sum(0), group) / n)


@mutant(
    TASK,
    says="Your results are in the order (var, mean), which is that of torch.var_mean. Here the mean comes first.",
)
def variance_first(x, group=None):
    n = count(x, group)
    mean = total(x.sum(0), group) / n
    return total((x - mean).square().sum(0), group) / n, mean


@mutant(
    TASK,
    says="Your sum of squared distances stays on its process: exchange it as you exchanged the sum for the mean.",
)
def distances_not_exchanged(x, group=None):
    n = count(x, group)
    mean = total(x.sum(0), group) / n
    return mean, (x - mean).square().sum(0) / n
