"""The hidden kernels: compiled for three generations of GPUs without a spill, right in the simulator in every tier."""

import json
import re
from math import prod

import numpy as np
import pytest
from bnlab import gpu
from hypothesis import given, settings
from hypothesis import strategies as st

from solutions.kernels import launch, nvrtc, plan
from solutions.kernels.reference import DIGITS, differences

SHAPES = {
    "images": {4: [(4, 3, 8, 8), (8, 5, 24, 24)], 1: [(5, 3, 7, 7), (2, 1, 3, 3), (3, 8, 7, 7), (2, 16, 3, 2)]},
    "rows": {4: [(64, 16), (7, 5, 4, 72), (1300, 64)], 1: [(33, 5), (3, 1)]},
}


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90"])
@pytest.mark.parametrize("storage", launch.STORAGE)
@pytest.mark.parametrize("layout", launch.FILES)
def test_compiles_without_spills(layout, storage, architecture):
    most = launch.width(storage, 1024)
    for vec, piece in {(most, most), (most, 1), (1, 1)}:
        options = launch.options(storage, vec, piece, min(16, launch.SLAB // vec))
        usage = nvrtc.compile_source(launch.source(layout), architecture, options)
        assert len(usage) == {"images": 10, "rows": 8}[layout]
        for name, used in usage.items():
            assert used.spilled == 0, name
            assert used.registers <= 64, f"{name}: 512 threads on a processor with 65536 registers, twice"
            assert used.shared + 1024 <= launch.STATIC[layout], name


@pytest.mark.parametrize("layout, alone", [("images", 6), ("rows", 0)])
def test_a_pack_is_read_by_one_access(layout, alone):
    """Not by eight of 2 bytes each; `alone` are the kernels that read a number here and there, to guess the mean."""
    text = nvrtc.ptx(launch.source(layout), "sm_90", launch.options("float16", 8))
    found = re.findall(r"ld\.(?:global|shared)[.\w]*\.[bu]16\b", text)
    assert len(found) <= alone and "ld.shared.v4.u32" in text and "ld.global.nc.v4.u32" in text, found


def test_a_mistake_in_the_source_is_shown():
    with pytest.raises(nvrtc.CompileError, match="nonsense"):
        nvrtc.compile_source("__global__ void f() { nonsense; }", "sm_75")


def tiers(kernels, shape):
    """Those that fit in both directions."""
    return [tier for tier in launch.TIERS[kernels.layout] if kernels.fits(shape, tier, 2)]


@pytest.mark.parametrize("storage", launch.STORAGE)
@pytest.mark.parametrize("layout", launch.FILES)
def test_every_tier_in_the_checked_simulator(layout, storage):
    kernels = launch.Kernels(layout, storage, threads=64)
    for shape in SHAPES[layout][4] + SHAPES[layout][1]:
        for tier in tiers(kernels, shape):
            worst = differences(kernels, shape, tier)
            # sums cancel: gradients of parameters keep fewer digits than the values they are made of
            assert max(worst.values()) < DIGITS[storage], (shape, tier, worst)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 10), st.integers(1, 9), st.integers(1, 9)),
    layout=st.sampled_from(list(launch.FILES)),
    storage=st.sampled_from(["float32", "float16"]),
)
def test_every_tier_on_random_shapes(shape, layout, storage):
    kernels = launch.Kernels(layout, storage, threads=64)
    shape = shape if layout == "images" else (shape[0], *shape[2:], shape[1])
    for tier in tiers(kernels, shape):
        worst = differences(kernels, shape, tier)
        worst = {name: worst[name] for name in ("y", "mean", "dx")}
        assert max(worst.values()) < 20 * DIGITS[storage], (tier, worst)  # few numbers: dx is a small difference


@pytest.mark.parametrize("schedule", ["reverse", "random"])
@pytest.mark.parametrize("layout", launch.FILES)
def test_any_order_of_threads_and_blocks(layout, schedule):
    kernels = launch.Kernels(layout, threads=64)
    with gpu.simulate(schedule=schedule):
        for tier in tiers(kernels, SHAPES[layout][4][1])[1:]:
            assert max(differences(kernels, SHAPES[layout][4][1], tier).values()) < DIGITS["float32"]


@pytest.mark.parametrize("layout", launch.FILES)
def test_a_mean_far_from_zero_costs_few_digits(layout):
    kernels = launch.Kernels(layout, threads=64)
    for tier in tiers(kernels, SHAPES[layout][4][0]):
        worst = differences(kernels, SHAPES[layout][4][0], tier, offset=1e4, scale=1.0)
        assert max(worst[name] for name in ("y", "inv_std", "running_var")) < 1e-3 and worst["mean"] < 1e-6, tier


@pytest.mark.parametrize("layout", launch.FILES)
def test_a_nan_stays_in_its_channel_and_is_seen(layout):
    kernels, shape = launch.Kernels(layout, threads=64), SHAPES[layout][4][0]
    channel = 1 if layout == "images" else -1
    x = np.random.default_rng(0).normal(size=shape).astype("f")
    np.moveaxis(x, channel, 0)[1].flat[-1] = np.nan
    c = shape[channel]
    for tier in tiers(kernels, shape):
        running = np.zeros(c, "f"), np.ones(c, "f")
        y, mean, inv_std = kernels.forward(x, np.ones(c, "f"), np.zeros(c, "f"), *running, tier=tier)
        lost = np.isnan(np.moveaxis(y, channel, 0).reshape(c, -1))
        assert lost[1].all() and not np.delete(lost, 1, 0).any(), tier
        assert all(list(np.flatnonzero(np.isnan(kept))) == [1] for kept in (mean, inv_std, *running)), tier


def test_nothing_to_normalize_is_said():
    with pytest.raises(ValueError, match="nothing to normalize"):
        launch.Kernels("images", threads=64).recipe((0, 3, 8, 8), None, 1)


def test_a_channel_that_32_bits_cannot_count_is_refused():
    with pytest.raises(ValueError, match="the kernels count them in 32 bits"):
        launch.Kernels("images", "float16", threads=64).fits((65_536, 1, 1, 32_769), "split", 1)


@pytest.mark.parametrize("layout", launch.FILES)
def test_bytes_that_each_tier_moves(layout):
    kernels = launch.Kernels(layout, threads=64)
    shape, channel = ((8, 5, 24, 24), 1) if layout == "images" else ((6, 16, 20, 36), 3)
    c = shape[channel]
    x, dy = (np.random.default_rng(seed).normal(size=shape).astype("f") for seed in (1, 2))
    gamma, beta, running = np.ones(c, "f"), np.zeros(c, "f"), (np.zeros(c, "f"), np.ones(c, "f"))
    once = (("held", 1), ("persistent", 1)) if layout == "images" else ()
    for tier, reads in (("block", 2), ("split", 2), *once):
        x, dy = (array[:4] if tier == "held" else array for array in (x, dy))  # a block of the toy has 20 KB
        y, dx = np.empty_like(x), np.empty_like(x)
        with gpu.simulate() as log:
            _, mean, inv_std = kernels.forward(x, gamma, beta, *running, tier=tier, out=y)
            kernels.backward(dy, x, gamma, mean, inv_std, tier=tier, out=dx)
        assert log.stored(y) == log.stored(dx) == 1.0, tier
        assert reads <= log.loaded(dy) <= reads + 0.01, tier
        assert 2 * reads <= log.loaded(x) <= 2 * reads + 1.0, f"{tier}: and a little for the guess of the mean"


@pytest.mark.parametrize("layout", launch.FILES)
def test_a_second_launch_with_the_same_workspace_gives_the_same_bits(layout):
    kernels = launch.Kernels(layout, threads=64)
    for tier in ("split", "persistent"):
        first, second = (differences(kernels, SHAPES[layout][4][1], tier, seed=seed) for seed in (0, 0))
        assert first == second, tier


@pytest.mark.parametrize("shape", [(4, 48, 48, 32), (3, 37, 41, 24)])
def test_rows_of_which_some_are_kept_and_some_read_again(shape):
    small, rows = plan.Machine(20, 64 << 10, 28 << 10), prod(shape[:3])
    kernels = launch.Kernels("rows", "float32", small, 64)
    x, dy = (np.random.default_rng(seed).normal(size=shape).astype("f") for seed in (1, 2))
    y, dx, ones = np.empty_like(x), np.empty_like(x), np.ones((4, shape[-1]), "f")
    with gpu.simulate(machine=gpu.Machine(multiprocessors=20)) as log:
        assert max(differences(kernels, shape, "persistent").values()) < DIGITS["float32"]
        _, mean, inv_std = kernels.forward(x, *ones, tier="persistent", out=y)
        kernels.backward(dy, x, ones[0], mean, inv_std, tier="persistent", out=dx)
    again = []
    for arrays in (1, 2):
        recipe = kernels.recipe(shape, "persistent", arrays)
        parts, kept = recipe.extra
        again.append(1 - parts * kept * (recipe.threads // recipe.options[2]) / rows)
        assert parts > 1 and 0 < again[-1] < 1
    assert log.loaded(dy) == pytest.approx(1 + again[1]), "what is kept is read once"
    assert 2 + sum(again) <= log.loaded(x) < 2.1 + sum(again), "forward and backward, and a little to guess the mean"


@settings(max_examples=300, deadline=None)
@given(
    groups=st.integers(1, 3000),
    length=st.integers(1, 200_000),
    each=st.sampled_from([4, 16, 32, 128, 256]),
    processors=st.integers(1, 150),
    shared=st.integers(16 << 10, 228 << 10),
)
def test_plans_cover_every_pack_and_fit(groups, length, each, processors, shared):
    machine = plan.Machine(processors, shared, shared)
    parts, chunk = plan.split(groups, length, machine, least=128)
    assert parts >= 1 and (parts - 1) * chunk < length <= parts * chunk
    found = plan.persistent(groups, length, each, 512, machine, static=2048)
    if found is not None:
        parts, chunk, blocks, taken = found
        assert (parts - 1) * chunk < length <= parts * chunk
        assert parts <= blocks == 2 * processors
        assert 2 * (taken + 2048) <= shared
    found = plan.kept(groups, length, each, 4, machine, static=2048)
    if found is not None:
        parts, visits = found
        assert 1 <= parts <= length and groups * parts <= 2 * processors
        assert 0 <= visits < length / parts + 1 and 2 * (visits * each + 2048) <= shared


def test_blocks_that_hold_channels_share_the_threads_of_a_processor():
    h100 = plan.Machine(132, 228 << 10, 227 << 10)
    assert plan.held(25 << 10, h100, 2 << 10, 1024, 32, 512) == 128, "eight blocks of 25 KB on a processor"
    assert plan.held(100 << 10, h100, 2 << 10, 1024, 32, 512) == 512
    assert plan.held(226 << 10, h100, 2 << 10, 1024, 32, 512) is None
    assert plan.held(1 << 10, h100, 2 << 10, 1024, 64, 512) == 64


@pytest.mark.parametrize("layout, shape, arrays, tier", [
    ("images", (32, 64, 112, 112), 1, "persistent"), ("images", (32, 512, 28, 28), 2, "held"),
    ("images", (128, 64, 112, 112), 1, "persistent"), ("images", (4, 3, 8, 8), 1, "held"),
    ("images", (256, 64, 112, 112), 1, "split"), ("images", (256, 2, 16, 16), 1, "block"),
    ("rows", (8, 32, 32, 64), 1, "persistent"), ("rows", (32, 112, 112, 64), 2, "persistent"),
    ("rows", (128, 4096), 1, "block"), ("rows", (10_000, 32_768), 1, "split"),
])  # fmt: skip
def test_the_tier_of_a_shape(layout, shape, arrays, tier):
    h100 = plan.Machine(132, 228 << 10, 227 << 10)
    assert launch.Kernels(layout, machine=h100).tier(shape, arrays) == tier


def test_no_tier_was_measured_to_be_much_faster_than_the_chosen_one(repository):
    found = json.loads((repository / "book" / "measured" / "gpu.json").read_text())
    assert "H100" in found["machine"]["device"], "the machine below is an H100"
    h100, seconds = plan.Machine(132, 228 << 10, 227 << 10), {}
    for row in found["table"]["rows"]:
        layout = "rows" if row["kernel"].endswith(", channels last") else "images"
        tier = row["kernel"].removesuffix(", channels last")
        if tier in launch.TIERS[layout]:
            case = layout, row["storage"], row["direction"], tuple(row["shape"])
            seconds.setdefault(case, {})[tier] = row["seconds"][0]
    for (layout, storage, direction, shape), of in seconds.items():
        shape = shape if layout == "images" else (shape[0], *shape[2:], shape[1])
        chosen = launch.Kernels(layout, storage, machine=h100).tier(shape, {"forward": 1, "backward": 2}[direction])
        assert of[chosen] <= 1.1 * min(of.values()), (layout, storage, direction, shape, chosen, of)


@pytest.mark.parametrize("shape, group, vec, piece", [
    ((4, 8, 8, 8), 1, 4, 4), ((4, 8, 7, 7), 4, 4, 1), ((4, 6, 7, 7), 1, 1, 1), ((4, 6, 3, 2), 2, 4, 2),
])  # fmt: skip
def test_short_channels_go_together(shape, group, vec, piece):
    found = launch.Kernels("images", threads=64).recipe(shape, "held", 1)
    assert found.options[:2] == (vec, piece) and found.grid == (shape[1] // group,)
