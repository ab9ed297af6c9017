"""fcnn against other libraries on this machine: the tables of benchmarks/README.md.

    python benchmarks/compare.py [--rounds 9] [--seconds 0.5] [--only TEXT] [--table TABLE]

Each library runs in a process of its own that stays up. They take turns: in every round
each works on the task for about the given time while the others wait. What is printed are
medians over the rounds of the ratio within a round, so that a machine which is slow for a
while is slow for all. Libraries that are not installed are left out. The peak is what large
float32 matrix products of NumPy reach on as many cores; of a task, its products alone are counted.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

import turns
from tasks import TASKS, Bounds
from with_fcnn import OPERATIONS_OF_PRODUCT, operations_per_image


class Library(NamedTuple):
    """What works on a task, and in how many threads (None: as many as there are cores)."""

    name: str
    threads: int | None = None


TABLES: Final = ("all-cores", "one-thread", "peers")
PEERS: Final = ("fcnn", "jax", "mygrad", "pureml")  # on the first task alone


def main() -> None:
    """Print a row for each task as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="for a library in a round")
    parser.add_argument("--only", default="", help="tasks whose names have this in them")
    parser.add_argument("--table", choices=TABLES, help="this one alone")
    options = parser.parse_args()
    turns = options.rounds, options.seconds
    tasks = [number for number, task in enumerate(TASKS) if options.only in task.name]
    if options.table in (None, "all-cores"):
        print_all_cores(tasks, *turns)
    if options.table in (None, "one-thread"):
        print_one_thread(tasks, *turns)
    if options.table in (None, "peers") and 0 in tasks:
        print_peers(*turns)


def print_all_cores(tasks: Sequence[int], rounds: int, seconds: float) -> None:
    """fcnn on all cores beside one thread of its own, and PyTorch on all cores."""
    own, alone = Library("fcnn"), Library("fcnn", 1)
    peers = Library("pytorch"), Library("pytorch-best")
    print(
        "| task | images/s | of the peak | of one thread "
        "| of PyTorch as written (floor, goal) | of its best |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for number in tasks:
        rates = measure([own, alone, *peers, Library("peak")], number, rounds, seconds)
        cells = [*rates_of_fcnn(rates, number, None), ratio(rates, own, alone)]
        cells += ratios(rates, own, peers, TASKS[number].all_cores)
        print(f"| {' | '.join(cells)} |", flush=True)


def print_one_thread(tasks: Sequence[int], rounds: int, seconds: float) -> None:
    """One thread of fcnn beside one of PyTorch."""
    own = Library("fcnn", 1)
    peers = Library("pytorch", 1), Library("pytorch-best", 1)
    print(
        "\n| task, one thread | images/s | of the peak "
        "| of PyTorch as written (floor, goal) | of its best |"
    )
    print("| --- | --- | --- | --- | --- |")
    for number in tasks:
        rates = measure([own, *peers, Library("peak", 1)], number, rounds, seconds)
        cells = rates_of_fcnn(rates, number, 1)
        cells += ratios(rates, own, peers, TASKS[number].one_thread)
        print(f"| {' | '.join(cells)} |", flush=True)


def print_peers(rounds: int, seconds: float) -> None:
    """The first task in libraries other than PyTorch."""
    own = Library("fcnn")
    rates = measure([Library(name) for name in PEERS], 0, rounds, seconds)
    print(f"\n| {TASKS[0].name} | images/s | fcnn is faster by |\n| --- | --- | --- |")
    for library, measured in rates.items():
        print(f"| {library.name} | {median(measured):,.0f} | {ratio(rates, own, library)} |")


Rates = dict[Library, list[float]]  # images per second in each round


def measure(libraries: Sequence[Library], number: int, rounds: int, seconds: float) -> Rates:
    """Images per second of those libraries that are there."""
    workers = {library: [start(library, number)] for library in libraries}
    there = [library for library in libraries if turns.ask(workers[library], seconds) is not None]
    rates: Rates = {library: [] for library in there}
    for _ in range(rounds):
        for library, measured in rates.items():
            measured += turns.ask(workers[library], seconds) or [0.0]
    for worker in workers.values():
        turns.end(worker)
    return rates


def rates_of_fcnn(rates: Rates, number: int, threads: int | None) -> list[str]:
    """The first cells of a row: the task, images per second, and the share of the peak."""
    task, own = TASKS[number], rates[Library("fcnn", threads)]
    # A worker's "images" are `batch` for each call; one of the peak's is one product.
    products = [rate / task.batch for rate in rates[Library("peak", threads)]]
    work = operations_per_image(task) / OPERATIONS_OF_PRODUCT
    of_peak = median(rate * work / most for rate, most in zip(own, products, strict=True))
    return [task.name, f"{median(own):,.0f}", f"{of_peak:.0%}"]


def ratios(
    rates: Rates, own: Library, peers: tuple[Library, Library], bounds: Bounds | None
) -> list[str]:
    """The last cells of a row: the ratio to each of two peers, with floor and goal."""
    cells = []
    for i, peer in enumerate(peers):
        cell = ratio(rates, own, peer)
        cells.append(f"{cell} ({bounds.floor[i]}, {bounds.goal[i]})" if cell and bounds else cell)
    return cells


def ratio(rates: Rates, own: Library, other: Library) -> str:
    """How many times as fast as another: the median over the rounds; "" if that is not there."""
    if other not in rates:
        return ""
    return f"{median(a / b for a, b in zip(rates[own], rates[other], strict=True)):.2f}"


def start(library: Library, number: int) -> turns.Program:
    """A process that works on one task whenever it is asked."""
    threads = [] if library.threads is None else [library.threads]
    return turns.start(__file__, "--worker", library.name, number, *threads)


def work(name: str, number: int, threads: int | None) -> None:
    """The worker's side: read how long, work, say how fast."""
    task = TASKS[number]
    if name == "peak":
        import with_fcnn

        step = with_fcnn.prepare_peak(threads)
    elif name == "fcnn":
        import with_fcnn

        step = with_fcnn.prepare(task, threads=threads)
    elif name == "jax":
        import with_jax

        step = with_jax.prepare(task)
    elif name in ("mygrad", "pureml"):
        import with_numpy_peers

        step = getattr(with_numpy_peers, f"prepare_{name}")(task)
    else:
        import with_pytorch

        step = with_pytorch.prepare(task, best=name == "pytorch-best", threads=threads)
    step(3)
    count = 1
    for line in sys.stdin:
        while True:
            begun = time.perf_counter()
            step(count)
            seconds = time.perf_counter() - begun
            if seconds > 0.5 * float(line):
                break
            count = max(count + 1, int(count * 0.8 * float(line) / max(seconds, 1e-6)))
        print(count * task.batch / seconds, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        name, number, *threads = sys.argv[2:]
        work(name, int(number), int(threads[0]) if threads else None)
    else:
        main()
