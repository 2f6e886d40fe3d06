"""Relatives of batch normalization in the experiments: each is the formula that its chapter states."""

import nets
import numpy as np
import torch
import variants


def built(kind, **options):
    """Two replicas in float64 whose first normalization has gamma and beta of its own."""
    norm = kind if kind == "batch" else "batch"
    maker = variants.KINDS.get(kind, nets.Replicas)
    replicas = maker(nets.Net(depth=1, width=5, norm=norm, n_in=5), [0, 1], dtype=torch.float64, **options)
    rng = np.random.default_rng(3)
    with torch.no_grad():
        for part in (replicas.gammas[0], replicas.betas[0]):
            part.copy_(torch.tensor(rng.normal(1, 0.5, part.shape)))
    replicas.running[0] = tuple(torch.tensor(rng.uniform(0.5, 2, (2, 1, 5))) for _ in range(2))
    return replicas


Z = torch.tensor(np.random.default_rng(4).normal(1.0, 2.0, (2, 12, 5)))


def one(replicas, z, training=True):
    with torch.no_grad():
        return replicas.normalize(z, 0, training, 0)


def test_ghost_batches_are_batches():
    ghosts, whole = built("ghost"), built("batch")
    ghosts.size = 4
    pieces = torch.cat([one(whole, Z[:, start : start + 4]) for start in (0, 4, 8)], 1)
    torch.testing.assert_close(one(ghosts, Z), pieces)
    ghosts.size = 12
    torch.testing.assert_close(one(ghosts, Z), one(whole, Z))


def test_renormalization_is_evaluation_within_wide_limits_and_training_within_none():
    renorm, whole = built("renorm"), built("batch")
    renorm.r_max, renorm.d_max, renorm.calls = 1e6, 1e6, renorm.total
    torch.testing.assert_close(one(renorm, Z), one(whole, Z, training=False))
    renorm.calls = 0
    torch.testing.assert_close(one(renorm, Z), one(whole, Z))


def test_gradient_of_renormalization_is_that_of_the_batch_times_r():
    renorm, whole = built("renorm"), built("batch")
    renorm.r_max, renorm.d_max, renorm.calls = 1e6, 1e6, renorm.total
    upstream = torch.tensor(np.random.default_rng(5).normal(size=Z.shape))
    slopes = []
    for replicas in (renorm, whole):
        z = Z.clone().requires_grad_()
        (replicas.normalize(z, 0, True, 0) * upstream).sum().backward()
        slopes.append(z.grad)
    var = Z.var(1, keepdim=True, correction=0)
    r = ((var + 1e-5) / (renorm.running[0][1] + 1e-5)).sqrt()
    torch.testing.assert_close(slopes[0], slopes[1] * r)


def test_noise_changes_from_step_to_step_and_is_off_in_evaluation():
    noisy, whole = built("noisy"), built("batch")
    first, second = one(noisy, Z), one(noisy, Z)
    assert (first - second).abs().max() > 0.05
    torch.testing.assert_close(one(noisy, Z, training=False), one(whole, Z, training=False))


def test_dynamic_tanh_sees_one_sample():
    dyt = built("dyt")
    expected = torch.tanh(0.5 * Z) * dyt.gammas[0] + dyt.betas[0]
    torch.testing.assert_close(one(dyt, Z), expected)
    assert len(dyt.parameters()) == len(built("batch").parameters()) + 1


def test_standardized_weights_have_no_scale():
    before = built("weights")
    with torch.no_grad():
        logits = before.forward(Z)
        before.weights[0].mul_(7.0).add_(3.0)
        torch.testing.assert_close(before.forward(Z), logits, rtol=1e-5, atol=1e-6)
