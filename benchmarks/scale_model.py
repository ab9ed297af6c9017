"""How far more processes go: what a model of the step predicts, and what this machine says to it.

    python benchmarks/scale_model.py [--networks mnist_cnn deep_cnn] [--rounds 5] [--seconds 0.5]
        [--latency MICROSECONDS --bandwidth GBIT_PER_SECOND] [--per-machine 1]
        [--batches 1024 8192] [--each 64]

The model is benchmarks/data_parallel_step.py. Measured here, in turn, the least that was seen: a
step of `fit` in one process, in batches of one shard and of four, so what each shard takes and
what the rest; the sum of two sets of gradients; a message of MPI between two processes. Assumed
are the networks, or one of one's own; what software takes of a message, measured here, comes on top
of their latency. Predicted is the efficiency of 2 to 1,024 processes of one core each, so many of
them on a machine: what each does, of what one does alone.

The check is `fit` in 2 to 4 processes of MPI on this machine, in batches of 8 shards and of 7,
in turn with what single processes do side by side, one on each core, from which the model predicts
it: medians over the rounds. More processes than cores take turns in the model too. Needs
`fcnn[mpi]`. Draws docs/pictures/scale_model.png.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final, NamedTuple

import cores
import numpy as np
import turns
from data_parallel_step import (
    Cluster,
    Costs,
    Link,
    overlapped_seconds,
    reduce_scatter_seconds,
    step_seconds,
)
from matplotlib.figure import Figure

import fcnn
from fcnn.distributed import World, mpi_world
from fcnn.distributed.balanced_tree import added
from fcnn.distributed.threads import available_cores
from fcnn.pictures.drawing import BLUE, GREEN, VERMILION, plain_style

PICTURE: Final = Path(__file__).parent.parent / "docs" / "pictures" / "scale_model.png"
POWERS: Final = tuple(2**i for i in range(1, 11))
BETWEEN: Final = tuple(3 * 2**i for i in range(9))  # half of them have twice what others have
SHARD: Final = 32  # images
FEW, MANY = 1, 4  # shards
CHECKED: Final = ((8, 2), (8, 3), (8, 4), (7, 3))  # shards, processes
LINKS: Final = {
    "10 Gbit/s Ethernet": Link(30e-6, 10e9 / 8),
    "25 Gbit/s Ethernet": Link(20e-6, 25e9 / 8),
    "InfiniBand HDR": Link(2e-6, 200e9 / 8),
}

COLOURS: Final = (VERMILION, GREEN, BLUE)  # of the links, or the first of one alone


class Scene(NamedTuple):
    """What is predicted: a kind of step, with so many images in all, or else for each process."""

    title: str
    seconds: Callable[[Costs, Cluster, int, int], float]
    images: int
    for_each: bool = False

    def efficiencies(self, costs: Costs, cluster: Cluster) -> dict[int, float]:
        """By the number of processes, as long as there is a shard for each."""
        own = self.images // SHARD
        alone = step_seconds(costs, cluster, own, 1) / own  # per shard
        found = {}
        for processes in sorted((*POWERS, *BETWEEN)):
            shards = own * processes if self.for_each else own
            if processes <= shards:
                taken = self.seconds(costs, cluster, shards, processes)
                found[processes] = alone * shards / (processes * taken)
        return found


Curves = dict[str, dict[str, dict[int, float]]]  # by scene and network of machines


def main() -> None:
    """Measure, check, predict and draw."""
    options = arguments()
    small, large = options.batches
    scenes = [
        Scene(f"batches of {small:,}", step_seconds, small),
        Scene(f"batches of {large:,}", step_seconds, large),
        Scene(f"{options.each} images for each process", step_seconds, options.each, True),
    ]
    changed = [
        Scene(f"batches of {large:,}, by reduce-scatter", reduce_scatter_seconds, large),
        Scene(f"batches of {large:,}, overlapped", overlapped_seconds, large),
    ]
    links = LINKS
    if options.latency is not None:
        links = {"yours": Link(options.latency / 1e6, options.bandwidth * 1e9 / 8)}
    curves: dict[str, Curves] = {}
    for name in options.networks:
        costs, message = measure(name, options.rounds, options.seconds)
        print_measured(name, costs, message)
        print_check(name, costs, message, options.rounds, options.seconds)
        clusters = {text: cluster(link, message, options) for text, link in links.items()}
        curves[name] = {
            scene.title: {
                text: scene.efficiencies(costs, there) for text, there in clusters.items()
            }
            for scene in (*scenes, *changed)
        }
        print_predicted(name, curves[name], POWERS)
        print_predicted(name, {scenes[1].title: curves[name][scenes[1].title]}, BETWEEN)
    with plain_style():
        figure = draw(curves, [scene.title for scene in scenes])
        figure.savefig(PICTURE, metadata={"Software": None})
    print(f"\n{PICTURE}")


def arguments() -> argparse.Namespace:
    """What is given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["mnist_cnn", "deep_cnn"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="for a part of a round")
    parser.add_argument("--latency", type=float, help="of a network of one's own, microseconds")
    parser.add_argument("--bandwidth", type=float, help="of a network of one's own, Gbit/s")
    parser.add_argument("--per-machine", type=int, default=1, help="processes on a machine")
    parser.add_argument("--batches", type=int, nargs=2, default=[1024, 8192])
    parser.add_argument("--each", type=int, default=64, help="images for each process")
    options = parser.parse_args()
    if (options.latency is None) != (options.bandwidth is None):
        parser.error("a network of one's own has a latency and a bandwidth")
    if any(images % SHARD for images in (*options.batches, options.each)):
        parser.error(f"the model knows whole shards alone: multiples of {SHARD} images")
    return options


def cluster(link: Link, message: Link, options: argparse.Namespace) -> Cluster:
    """Machines with a core for each process."""
    network = Link(link.latency + message.latency, link.bandwidth)
    return Cluster(network, message, options.per_machine, cores=options.per_machine)


def measure(name: str, rounds: int, seconds: float) -> tuple[Costs, Link]:
    """What `fit` takes in one process, this one, and a message of MPI: the least that was seen in
    all rounds, for what disturbs can only add.
    """
    size = sum(leaf.nbytes for leaf in fcnn.tree.leaves(cores.begin(name, SHARD)[1]))
    few, many = (Epochs(name, shards) for shards in (FEW, MANY))
    sums = [start_mpi(2, "sums", name, nbytes) for nbytes in (8, size)]
    found = [
        (few.least(), many.least(), *(1 / rate([program], seconds) for program in sums),
         seconds_of_adding(size))
        for _ in range(rounds)
    ]  # fmt: skip
    turns.end(sums)
    of_few, of_many, small, large, adding = map(min, zip(*found, strict=True))
    bandwidth = size / ((large - adding - small) / 2)  # a sum is a message up and one back down
    costs = costs_of(of_few, of_many, adding, size)
    if costs.step < 0 or bandwidth < 0:
        raise SystemExit("less work took longer: the machine is too busy to be measured")
    return costs, Link(small / 2, bandwidth)


class Epochs:
    """`fit` in this process, in batches of so many shards."""

    def __init__(self, name: str, shards: int) -> None:
        self._times: list[float] = []
        self._epochs = cores.epochs_of_fit(
            name, SHARD * shards, lambda *_: self._times.append(perf_counter()), threads=1
        )

    def least(self) -> float:
        """The seconds of the quickest step of an epoch."""
        self._times.clear()
        next(self._epochs)
        return least_between(self._times)


def check(
    name: str, shards: int, processes: int, costs: Costs, message: Link, rounds: int, seconds: float
) -> tuple[list[float], list[float]]:
    """Seconds of a step in each round: predicted, from what single processes do side by side, one
    on each core, and measured.
    """
    here = available_cores()
    few, many = ([start_single(name, count) for _ in range(here)] for count in (FEW, MANY))
    several = start_mpi(processes, "fit", name, SHARD * shards)
    predicted, measured = [], []
    for number in range(rounds + 1):
        of_few, of_many, taken = (
            SHARD * count * len(programs) / rate(programs, seconds)
            for count, programs in ((FEW, few), (MANY, many), (shards, [several]))
        )
        if number > 0:  # the first is for starting up
            beside = costs_of(of_few, of_many, costs.adding, costs.size)
            machine = Cluster(message, message, processes, here)
            predicted.append(step_seconds(beside, machine, shards, processes))
            measured.append(taken)
    turns.end([*few, *many, several])
    return predicted, measured


def start_single(name: str, shards: int) -> turns.Program:
    """`fit` in one process, in batches of so many shards."""
    return turns.start("cores.py", "--worker", "fit", name, SHARD * shards, 1)


def start_mpi(processes: int, kind: str, name: str, number: int) -> turns.Program:
    """A program of several processes."""
    return turns.start(__file__, "--worker", kind, name, number, processes=processes)


def rate(programs: Sequence[turns.Program], seconds: float) -> float:
    """How fast programs are side by side, all together."""
    answers = turns.ask(programs, seconds)
    if answers is None:
        raise SystemExit("a program has failed: is `fcnn[mpi]` installed?")
    return sum(answers)


def costs_of(few: float, many: float, adding: float, size: int) -> Costs:
    """From the seconds of a step of few shards, and of many."""
    shard = (many - few) / (MANY - FEW)
    return Costs(few - FEW * shard, shard, adding, size)


def seconds_of_adding(size: int) -> float:
    """The least that the sum of two arrays of so many bytes takes."""
    a, b = np.zeros((2, size // 4), np.float32)
    times = [perf_counter()]
    for _ in range(50):
        added([a], [b], in_place=True)
        times.append(perf_counter())
    return least_between(times)


def least_between(times: Sequence[float]) -> float:
    """The seconds of the quickest of what was done in turn."""
    return min(after - before for before, after in pairwise(times))


def work(kind: str, name: str, number: int) -> None:
    """The side of a process of MPI: `fit` in batches of that many images, or sums of that many
    bytes. The first one says how fast.
    """
    world = mpi_world()
    times: list[float] = []

    def on_step(*_: int) -> None:
        times.append(perf_counter())

    if kind == "sums":
        steps, batch = epochs_of_sums(number, on_step, world), 1
    else:
        batch = number
        steps = cores.epochs_of_fit(name, batch, on_step, threads=1, world=world)
    if world.rank == 0:
        cores.answer(steps, times, batch)
    else:
        for _ in steps:
            pass


def epochs_of_sums(size: int, on_step: Callable[[], None], world: World) -> Iterator[object]:
    """Sums over the processes, each of which has an array of so many bytes."""
    own = [np.zeros(size // 4, np.float32)]
    while True:
        for _ in range(cores.BATCHES_OF_EPOCH):
            world.total(world.size, lambda _: own, like=own)
            on_step()
        yield None


def print_measured(name: str, costs: Costs, message: Link) -> None:
    """What the model begins with."""
    print(f"\n{name}, measured in one process")
    print(f"  a shard of {SHARD} images      {1e3 * costs.shard:8.3f} ms")
    print(f"  the rest of a step        {1e3 * costs.step:8.3f} ms")
    print(f"  a sum of two gradients    {1e3 * costs.adding:8.3f} ms")
    print(f"  a message here            {1e3 * message.latency:8.3f} ms", end="")
    print(f" and {message.bandwidth / 1e9:.2f} GB/s, for {costs.size / 1e3:.0f} kB")


def print_check(name: str, costs: Costs, message: Link, rounds: int, seconds: float) -> None:
    """How well the model does here."""
    print(f"\n{name}, a step on {available_cores()} cores here, ms")
    print("  shards  processes  predicted  measured  predicted / measured")
    for shards, processes in CHECKED:
        predicted, measured = check(name, shards, processes, costs, message, rounds, seconds)
        ratio = median(a / b for a, b in zip(predicted, measured, strict=True))
        line = f"  {shards:6}  {processes:9}  {1e3 * median(predicted):9.2f}  "
        print(f"{line}{1e3 * median(measured):8.2f}  {ratio:20.2f}", flush=True)


def print_predicted(name: str, curves: Curves, processes: Sequence[int]) -> None:
    """The efficiencies with so many processes, in percent."""
    print(f"\n{name + ', predicted, %':25}" + "".join(f"{k:5}" for k in processes))
    for title, rows in curves.items():
        print(title)
        for text, row in rows.items():
            print(f"  {text:23}" + "".join(f"{100 * row[k]:5.0f}" for k in processes if k in row))


def draw(curves: dict[str, Curves], titles: Sequence[str]) -> Figure:
    """A column for each network, a row for each scene, a line for each kind of link."""
    figure = Figure(figsize=(5, 1.6 + 1.9 * len(titles)), layout="constrained")
    figure.suptitle(
        "Efficiency of 2 to 1,024 processes, predicted",
        x=0.02, horizontalalignment="left", weight="bold", size=12,
    )  # fmt: skip
    panels = figure.subplots(len(titles), len(curves), sharex=True, sharey=True, squeeze=False)
    for column, (name, scenes) in zip(panels.T, curves.items(), strict=True):
        for axes, title in zip(column, titles, strict=True):
            for (text, row), colour in zip(scenes[title].items(), COLOURS, strict=False):
                values = [(k, 100 * row[k]) for k in POWERS if k in row]
                axes.plot(*zip(*values, strict=True), "o-",
                          color=colour, markersize=3, linewidth=1.5, label=text)  # fmt: skip
            axes.set_title(f"{name}\n{title}")
            axes.grid(color="0.9", linewidth=0.8)
            axes.set_axisbelow(True)
    first = panels[0][0]
    first.set_xscale("log", base=2)
    first.set_xticks(POWERS[::3], [f"{k:,}" for k in POWERS[::3]])
    first.set_ylim(0, 102)
    first.yaxis.set_major_formatter("{x:.0f} %")
    for axes in panels[-1]:
        axes.set_xlabel("processes")
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower left", frameon=False)
    return figure


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        kind, name, number = sys.argv[2:]
        work(kind, name, int(number))
    else:
        main()
