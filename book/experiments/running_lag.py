"""One network, several memories: how running statistics lag behind the network, and what that does to accuracy."""

import nets
import numpy as np
from lab import Experiment, main

RATES = [0.1, 0.5]
SEEDS = [0, 1, 2, 3, 4]
MOMENTA = [0.3, 0.1, 0.01, 0.001]
ENDS = {"first": 0, "last": -1}  # layers whose running means are compared with the exact ones
MARKS = [1, 2, 5, 10, 20, 40, 70, 100, 150, 200, 300, 400, 500, 600]


class Several(nets.Replicas):
    """Keeps running statistics for several momenta at once, and the plain average of all batches as number 0."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.memories = {momentum: list(self.running) for momentum in [0, *MOMENTA]}
        self.batches = [0] * self.net.depth

    def track(self, layer, mean, var, n, momentum):
        if momentum == 1:  # a pass over a whole set
            return super().track(layer, mean, var, n, momentum)
        self.batches[layer] += 1
        for own, memory in self.memories.items():
            self.running = memory
            super().track(layer, mean, var, n, own or 1 / self.batches[layer])

    def evaluated(self, x, y, running):
        """Test accuracy with these running statistics."""
        self.running = running
        return self.accuracy(x, y)

    def population(self, x):
        """The statistics of a whole set, layer after layer; the memories stay as they are."""
        self.running = list(self.running)
        self.precise(x)
        return self.running


def away(running, exact):
    """Distance of a layer's running means from the exact ones, in deviations; root mean square of units, (R,)."""
    (mean, _), (right, var) = running, exact
    return ((mean - right) ** 2 / var).mean((1, 2)).sqrt().numpy()


def run(case):
    """Train all rates and seeds, and evaluate with each memory and with exact statistics."""
    rates, seeds = nets.grid(case["rates"], case["seeds"])
    data = nets.digits(nets.precision(case))
    replicas = Several(nets.Net(depth=6, width=64, norm="batch"), seeds, dtype=nets.precision(case))
    marks = [mark for mark in MARKS if mark <= case["steps"]]
    found = {
        "exact": [],
        "batch": [],
        **{str(m): [] for m in replicas.memories},
        **{f"{end} {m}": [] for end in ENDS for m in MOMENTA},
    }

    def watch(step, replicas):
        if step not in marks:
            return
        exact = replicas.population(data[0])
        found["exact"].append(replicas.evaluated(*data[2:], exact))
        found["batch"].append(replicas.accuracy(*data[2:], training=True))
        for momentum, memory in replicas.memories.items():
            found[str(momentum)].append(replicas.evaluated(*data[2:], memory))
            if momentum:
                for end, layer in ENDS.items():
                    found[f"{end} {momentum}"].append(away(memory[layer], exact[layer]))

    history = nets.train(replicas, rates, case["steps"], data=data, every=0, watch=watch)
    shape = (len(case["rates"]), len(case["seeds"]), -1)
    return {
        **{key: np.array(values).T.reshape(shape) for key, values in found.items()},
        "loss": np.array([history["loss"][:, max(m - 10, 0) : m].mean(1) for m in marks]).T.reshape(shape),
        "measured_at": marks,
    }


def cases():
    """The whole run, and a short one for checks."""
    return [
        {"rates": RATES, "seeds": SEEDS, "steps": 600},
        {"rates": [0.1], "seeds": [0, 1], "steps": 20, "precision": 64},
    ]


EXPERIMENT = Experiment(
    name="running_lag",
    claim="Bad accuracy early in training can be the lag of the running statistics, and not the network.",
    cases=cases(),
    run=run,
    part=(1,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
