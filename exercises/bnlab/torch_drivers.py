"""Test drives of torch answers: they run where the answer lives, follow its gradients, and return plain values.

A driver takes (answer, inputs) with arrays among the inputs, and returns tensors without graphs, texts and numbers for
the examiner to compare. In the autograder it runs in the student's process, so what it returns is a claim.
"""

import copy
import re

from bnlab.answers import ChangedArguments, copy_array, same
from bnlab.compare import describe

GRADING_SECONDS = 5.0  # for the processes of one case, which need a tenth of a second


def plain(value):
    """A tensor without its graph; anything else as it is."""
    import torch

    return value.detach().clone().as_subclass(torch.Tensor) if isinstance(value, torch.Tensor) else value


def tensor(array, grad=False):
    import torch

    return torch.from_numpy(array).requires_grad_(grad)


# -- bn-function ------------------------------------------------------------------------------------------------------
FUNCTION_LEAVES = (
    "y",
    "what backward returns",
    "dx",
    "dgamma",
    "dbeta",
    "dx with constant gamma and beta",
    "dgamma with constant x",
    "gradcheck",
)
COUNT = "one gradient for each argument of forward, in its shape"


def drive_function(function, inputs):
    """Apply an autograd function, send a gradient back through it, and let torch's gradcheck look at it."""
    y, grads, returned = there_and_back(function, inputs, (True, True, True))
    _, alone, _ = there_and_back(function, inputs, (True, False, False))
    _, frozen, _ = there_and_back(function, inputs, (False, True, True))
    verdict = verdict_of_gradcheck(function, inputs) if inputs.get("gradcheck") else "not run"
    return dict(zip(FUNCTION_LEAVES, (y, returned, *grads, alone[0], frozen[1], verdict)))


def there_and_back(function, inputs, needed):
    """(y, the three gradients, what is to be said about their number); `needed` says who requires a gradient."""
    import torch

    leaves = [tensor(copy_array(inputs[name]), grad) for name, grad in zip(("x", "gamma", "beta"), needed)]
    before = [leaf.detach().clone() for leaf in leaves]
    misshapen = []
    y = watched_backward(function, [leaf.shape if leaf.requires_grad else None for leaf in leaves], misshapen).apply(
        *leaves, inputs["eps"]
    )
    returned = COUNT
    if isinstance(y, torch.Tensor) and y.requires_grad and y.shape == inputs["dy"].shape:
        dy = tensor(copy_array(inputs["dy"]))
        try:
            y.backward(dy)
        except RuntimeError as error:
            count = re.search(r"incorrect number of gradients \(expected (\d+), got (\d+)\)", str(error))
            if not count and not (misshapen and "invalid gradient" in str(error)):
                raise
            noun = "gradient" if count and count[2] == "1" else "gradients"
            returned = f"{count[2]} {noun} for {count[1]} arguments of forward" if count else COUNT
        returned = ", ".join(misshapen) or returned
        leaves, before = [*leaves, dy], [*before, tensor(inputs["dy"])]
    names = ("x", "gamma", "beta", "dy")
    changed = [name for name, old, new in zip(names, before, leaves) if not same(old, new)]
    if changed:
        raise ChangedArguments(changed)
    return plain(y), [plain(leaf.grad) for leaf in leaves[:3]], returned


def watched_backward(function, shapes, misshapen):
    """The function; what it returns in another shape than `shapes` asks for is told in `misshapen`.

    Where such a gradient can be summed to the right shape, torch does so and says nothing.
    """
    import torch

    if not (isinstance(function, type) and issubclass(function, torch.autograd.Function)):
        return function

    def backward(ctx, *dy):
        found = function.backward(ctx, *dy)
        for name, gradient, shape in zip(("dx", "dgamma", "dbeta"), found if type(found) is tuple else (), shapes):
            if shape is not None and isinstance(gradient, torch.Tensor) and gradient.shape != shape:
                misshapen.append(f"{name} of shape {tuple(gradient.shape)}")
        return found

    return type(function.__name__, (function,), {"backward": staticmethod(backward)})


def verdict_of_gradcheck(function, inputs):
    """ "passes" or "fails": torch's own comparison with finite differences, in float64."""
    import torch

    leaves = [tensor(inputs[name].copy(), True) for name in ("x", "gamma", "beta")]
    if not isinstance(function.apply(*leaves, inputs["eps"]), torch.Tensor):
        return "fails"  # of no tensor gradcheck asks what it has not
    try:
        right = torch.autograd.gradcheck(function.apply, (*leaves, inputs["eps"]), raise_exception=False)
    except (RuntimeError, ValueError):
        right = False
    return "passes" if right else "fails"


# -- bn-module --------------------------------------------------------------------------------------------------------
STATE = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
MODULE_LEAVES = (
    "the list of parameters",
    "sorted(state_dict())",
    *(f"{name} at the start" for name in STATE),
    "the state_dict of torch's layer",
    "y of the first batch",
    "y of the last batch",
    "dx of the last batch",
    "weight.grad",
    "bias.grad",
    *(f"{name} after training" for name in STATE[2:]),
    "running_mean.requires_grad after training",
    "y in evaluation",
    *(f"{name} after evaluation" for name in STATE[2:]),
    "y of torch's layer with your state_dict",
    "one value per channel in training",
    "one sample in evaluation",
)
SETTINGS = ("eps", "momentum", "affine", "track_running_stats")


def drive_module(cls, inputs):
    """Build a layer, give it the state of torch's, train it, evaluate it, and hand its state back to torch."""
    import torch

    batches = [tensor(copy_array(x), True) for x in inputs["batches"]]
    shape, dtype = batches[0].shape, batches[0].dtype
    settings = {name: inputs[name] for name in SETTINGS}
    torchs_class = torch.nn.BatchNorm2d if len(shape) == 4 else torch.nn.BatchNorm1d

    def stored(layer, *names):
        state = layer.state_dict()
        return [plain(state.get(name)) for name in names]

    layer = cls(shape[1], **settings).to(dtype)
    seen = [" ".join(sorted(name for name, _ in layer.named_parameters())), " ".join(sorted(layer.state_dict()))]
    seen += stored(layer, *STATE)
    theirs = torchs_class(shape[1], **settings).to(dtype)
    state = {name: tensor(inputs["state"][name]) for name in theirs.state_dict()}
    try:
        fit = layer.load_state_dict(state, strict=False)
        fits = not (fit.missing_keys or fit.unexpected_keys)
    except RuntimeError:  # a shape is another, which the list of what a layer begins with tells
        fits = False
    seen.append("fits" if fits else "does not fit")

    ys = [layer(x) for x in batches]
    if isinstance(ys[-1], torch.Tensor) and ys[-1].requires_grad and ys[-1].shape == shape:
        ys[-1].backward(tensor(inputs["dy"]))
    parameters = dict(layer.named_parameters())
    gradients = [getattr(parameters.get(name), "grad", None) for name in ("weight", "bias")]
    seen += [plain(value) for value in (ys[0], ys[-1], batches[-1].grad, *gradients)]
    seen += stored(layer, *STATE[2:])
    seen.append(bool(getattr(getattr(layer, "running_mean", None), "requires_grad", False)))

    layer.eval()
    x_eval = tensor(copy_array(inputs["x_eval"]))
    seen += [plain(layer(x_eval)), *stored(layer, *STATE[2:])]
    given = [*inputs["batches"], inputs["x_eval"]]
    if not all(same(x.detach().numpy(), array) for x, array in zip([*batches, x_eval], given)):
        raise ChangedArguments(["x"])
    try:
        theirs.load_state_dict(layer.state_dict())
        seen.append(plain(torchs_own(theirs.eval(), x_eval)))
    except RuntimeError:
        seen.append(None)
    seen.append(called_on_one_value(cls(shape[1], **settings).to(dtype), batches[0]))
    seen.append(called_on_one_value(layer, batches[0]) if inputs["track_running_stats"] else "not asked")
    return dict(zip(MODULE_LEAVES, seen))


def torchs_own(layer, x):
    """What torch's layer gives: here it is asked for, while an answer that asks it is looked at by a person."""
    return layer(x)


def called_on_one_value(layer, x):
    """What a layer says to a batch with one value per channel: the name of the error, or "a result"."""
    one = x.detach()[:1] if x.ndim == 2 else x.detach()[:1, :, :1, :1]
    try:
        layer(one)
    except Exception as error:
        return type(error).__name__
    return "a result"


# -- sync-statistics --------------------------------------------------------------------------------------------------
def drive_sync(function, inputs):
    """Call the function in one real process for each shard; what the first and the last process got."""
    return synchronized([function], inputs)[0]


def drive_many_sync(functions, inputs):
    """As `drive_sync` for trusted functions, all in the same processes."""
    try:
        return synchronized(functions, inputs)
    except Exception:
        return [None] * len(functions)


def synchronized(functions, inputs):
    from bnlab.distributed import run_all

    shards = [tensor(array) for array in inputs["shards"]]
    everywhere = run_all([watched(one) for one in functions], shards, inputs.get("groups"), GRADING_SECONDS)
    return [{"process 0": found[0], "the last process": found[-1]} for found in everywhere]


def watched(function):
    """The function with its results as plain tensors, and an eye on its argument."""

    def call(x, group=None):
        before = x.clone()
        found = function(x, group=group)
        if not same(before, x):
            raise ChangedArguments(["x"])
        return type(found)(plain(value) for value in found) if type(found) in (tuple, list) else plain(found)

    return call


# -- fold-model -------------------------------------------------------------------------------------------------------
FOLD_LEAVES = (
    "y of the folded model",
    "the list of its layers",
    "its training flag",
    "weight of its first linear layer",
    "bias of its first linear layer",
    "the model that you were given",
)


def drive_fold(function, inputs):
    """Fold a model, compare before and after, and look into the folded one."""
    import torch

    from bnlab.torch_models import MODELS

    x = tensor(inputs["x"])
    model = MODELS[inputs["model"]]().to(x.dtype)
    model.load_state_dict({name: tensor(array) for name, array in inputs["state"].items()}, strict=False)
    model.train(inputs["training"])
    untouched = copy.deepcopy(model)
    folded = function(model)
    if not isinstance(folded, torch.nn.Module):
        raise TypeError(f"fold_model returned {describe(folded)}; expected a model")
    first = next((m for m in folded.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))), None)
    torch.manual_seed(0)  # for dropout, where it was left on
    with torch.no_grad():
        y = plain(folded(x))
    seen = (
        y,
        kinds(folded),
        bool(folded.training),
        plain(getattr(first, "weight", None)),
        plain(getattr(first, "bias", None)),
        "unchanged" if alike(model, untouched) else "changed",
    )
    return dict(zip(FOLD_LEAVES, seen))


def kinds(model):
    """The kinds of the layers in order: "Linear Identity ReLU"."""
    return " ".join(type(part).__name__ for part in model.modules() if not list(part.children()))


def alike(model, other):
    """Whether two models have the same layers, modes and values."""
    state, other_state = model.state_dict(), other.state_dict()
    modes = [[part.training for part in one.modules()] for one in (model, other)]
    return kinds(model) == kinds(other) and modes[0] == modes[1] and same(dict(state), dict(other_state))
