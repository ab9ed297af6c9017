"""How far more processes go: what a model of the step predicts, and what this machine says to it.

    python benchmarks/scale_model.py [--networks mnist_cnn deep_cnn] [--rounds 5] [--seconds 0.5]
        [--latency MICROSECONDS --bandwidth GBIT_PER_SECOND] [--per-machine 1]
        [--batches 1024 8192] [--each 64]

The model is benchmarks/data_parallel_step.py. Measured here, in turn, medians over the rounds: a
step of `fit` in one process, in batches of one shard and of eight, so what each shard takes and
what the rest; the sum of two sets of gradients; a message of MPI between two processes. Assumed
are the networks, or one of one's own; what software takes of a message, measured here, comes on top
of their latency. Predicted is the efficiency of 2 to 1,024 processes of one core each, so many of
them on a machine: what each does, of what one does alone.

The check is `fit` in 2 to 4 processes of MPI on this machine, in batches of 8 shards and of 7,
beside the model with what as many processes as there are cores do side by side; more than these
take turns in the model too. Needs `fcnn[mpi]`. Draws docs/pictures/scale_model.png.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final, NamedTuple, TypeVar

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
PROCESSES: Final = tuple(2**i for i in range(1, 11))
SHARD: Final = 32  # images
FEW, MANY = 1, 8  # shards
CHECKED: Final = tuple((shards, k) for shards in (8, 7) for k in (2, 3, 4))  # shards, processes
LINKS: Final = {
    "10 Gbit/s Ethernet": Link(30e-6, 10e9 / 8),
    "25 Gbit/s Ethernet": Link(20e-6, 25e9 / 8),
    "InfiniBand HDR": Link(2e-6, 200e9 / 8),
}

COLOURS: Final = (VERMILION, GREEN, BLUE)  # of the links, or the first of one alone

Figures = TypeVar("Figures", Costs, Link)


class Scene(NamedTuple):
    """What is predicted: a kind of step, with so many images in all, or else for each process."""

    title: str
    seconds: Callable[[Costs, Cluster, int, int], float]
    images: int
    for_each: bool = False

    def efficiencies(self, costs: Costs, cluster: Cluster) -> list[float]:
        """Of so many processes, as long as there is a shard for each."""
        own = self.images // SHARD
        alone = step_seconds(costs, cluster, own, 1) / own  # per shard
        found = []
        for processes in PROCESSES:
            shards = own * processes if self.for_each else own
            if processes <= shards:
                taken = self.seconds(costs, cluster, shards, processes)
                found.append(alone * shards / (processes * taken))
        return found


class Measured(NamedTuple):
    """What one process takes alone, what a message, and what steps of several take, predicted and
    measured, in each round.
    """

    costs: Costs
    message: Link
    checked: dict[tuple[int, int], list[tuple[float, float]]]


Curves = dict[str, dict[str, list[float]]]  # by scene and network of machines


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
        found = measure(name, options.rounds, options.seconds)
        print_measured(name, found)
        clusters = {text: cluster(link, found.message, options) for text, link in links.items()}
        curves[name] = {
            scene.title: {
                text: scene.efficiencies(found.costs, there) for text, there in clusters.items()
            }
            for scene in (*scenes, *changed)
        }
        print_predicted(name, curves[name])
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


def measure(name: str, rounds: int, seconds: float) -> Measured:
    """Let programs take turns: `fit` in one process, as many of these as there are cores, sums of
    two processes of MPI, and `fit` in several.
    """
    size = sum(leaf.nbytes for leaf in fcnn.tree.leaves(cores.begin(name, SHARD)[1]))
    here = available_cores()
    single = {
        shards: [
            turns.start("cores.py", "--worker", "fit", name, SHARD * shards, 1) for _ in range(here)
        ]
        for shards in (FEW, MANY)
    }
    sums = [start_mpi(2, "sums", name, nbytes) for nbytes in (8, size)]
    fits = {(shards, k): start_mpi(k, "fit", name, SHARD * shards) for shards, k in CHECKED}

    def rate(*programs: turns.Program) -> float:
        answers = turns.ask(programs, seconds)
        if answers is None:
            raise SystemExit("a program has failed: is `fcnn[mpi]` installed?")
        return sum(answers) / len(programs)

    def costs(processes: int, adding: float) -> Costs:
        few, many = (SHARD * s / rate(*single[s][:processes]) for s in (FEW, MANY))
        shard = (many - few) / (MANY - FEW)
        return Costs(few - FEW * shard, shard, adding, size)

    alone, messages = [], []
    checked: dict[tuple[int, int], list[tuple[float, float]]] = {key: [] for key in CHECKED}
    for number in range(rounds + 1):
        adding = seconds_of_adding(size)
        small, large = (1 / rate(program) for program in sums)  # up and down again
        message = Link(small / 2, size / ((large - adding - small) / 2))
        one, beside = costs(1, adding), costs(here, adding)
        taken = {
            (shards, k): SHARD * shards / rate(program) for (shards, k), program in fits.items()
        }
        if number > 0:  # the first is for starting up
            alone.append(one)
            messages.append(message)
            for shards, k in CHECKED:
                there = Cluster(message, message, k, here)
                predicted = step_seconds(beside, there, shards, k)
                checked[shards, k].append((predicted, taken[shards, k]))
    turns.end([*single[FEW], *single[MANY], *sums, *fits.values()])
    return Measured(medians(alone), medians(messages), checked)


def start_mpi(processes: int, kind: str, name: str, number: int) -> turns.Program:
    """A program of several processes."""
    return turns.start(__file__, "--worker", kind, name, number, processes=processes)


def medians(found: Sequence[Figures]) -> Figures:
    """Of each figure by itself."""
    return type(found[0])(*map(median, zip(*found, strict=True)))


def seconds_of_adding(size: int) -> float:
    """What the sum of two arrays of so many bytes takes."""
    a, b = np.zeros((2, size // 4), np.float32)
    seconds = []
    for _ in range(50):
        begun = perf_counter()
        added([a], [b], in_place=True)
        seconds.append(perf_counter() - begun)
    return median(seconds)


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


def print_measured(name: str, found: Measured) -> None:
    """What the model begins with, and how well it does here."""
    costs, message = found.costs, found.message
    print(f"\n{name}, measured in one process")
    print(f"  a shard of {SHARD} images      {1e3 * costs.shard:8.3f} ms")
    print(f"  the rest of a step        {1e3 * costs.step:8.3f} ms")
    print(f"  a sum of two gradients    {1e3 * costs.adding:8.3f} ms")
    print(f"  a message here            {1e3 * message.latency:8.3f} ms", end="")
    print(f" and {message.bandwidth / 1e9:.2f} GB/s, for {costs.size / 1e3:.0f} kB")
    print(f"\n{name}, a step on {available_cores()} cores here, ms")
    print("  shards  processes  predicted  measured  predicted / measured")
    for (shards, processes), rounds in found.checked.items():
        predicted, taken = (1e3 * median(column) for column in zip(*rounds, strict=True))
        ratio = median(a / b for a, b in rounds)
        print(f"  {shards:6}  {processes:9}  {predicted:9.2f}  {taken:8.2f}  {ratio:20.2f}")


def print_predicted(name: str, curves: Curves) -> None:
    """The efficiencies of all scenes, in percent."""
    print(f"\n{name + ', predicted, %':25}" + "".join(f"{k:5}" for k in PROCESSES))
    for title, rows in curves.items():
        print(title)
        for text, row in rows.items():
            print(f"  {text:23}" + "".join(f"{100 * value:5.0f}" for value in row))


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
                axes.plot(PROCESSES[: len(row)], [100 * value for value in row], "o-",
                          color=colour, markersize=3, linewidth=1.5, label=text)  # fmt: skip
            axes.set_title(f"{name}\n{title}")
            axes.grid(color="0.9", linewidth=0.8)
            axes.set_axisbelow(True)
    first = panels[0][0]
    first.set_xscale("log", base=2)
    first.set_xticks(PROCESSES[::3], [f"{k:,}" for k in PROCESSES[::3]])
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
