"""fcnn against other libraries on this machine: the tables of benchmarks/README.md.

    python benchmarks/compare.py [--rounds 9] [--seconds 0.5] [--only TEXT] [--threads N]

Each library runs in a process of its own that stays up. They take turns: in every round
each works on the task for about the given time while the others wait. What is printed are
medians over the rounds of the ratio within a round, so that a machine which is slow for a
while is slow for all. Libraries that are not installed are left out. The peak is what large
float32 matrix products of NumPy reach on all cores; of a task, its products alone are counted.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tasks import TASKS, Task
from with_fcnn import OPERATIONS_OF_PRODUCT, operations_per_image

LIBRARIES = ("fcnn", "fcnn-1-thread", "pytorch", "pytorch-best", "peak")
PEERS = ("fcnn", "jax", "mygrad", "pureml")  # on the first task alone


def main() -> None:
    """Print a row for each task as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="for a library in a round")
    parser.add_argument("--only", default="", help="tasks whose names have this in them")
    options = parser.parse_args()
    print(
        "| task | images/s | of the peak | of one thread "
        "| of PyTorch as written (floor, goal) | of its best |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for number, task in enumerate(TASKS):
        if options.only in task.name:
            rates = measure(LIBRARIES, number, options.rounds, options.seconds)
            print(row(task, rates), flush=True)
    if options.only in TASKS[0].name:
        rates = measure(PEERS, 0, options.rounds, options.seconds)
        print(f"\n| {TASKS[0].name} | images/s | fcnn is faster by |\n| --- | --- | --- |")
        for name, measured in rates.items():
            print(f"| {name} | {median(measured):,.0f} | {ratio(rates, name):.2f} |")


def measure(
    names: Sequence[str], number: int, rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Images per second of each library in each round."""
    workers = {name: start(name, number) for name in names}
    rates: dict[str, list[float]] = {
        name: [] for name, worker in workers.items() if ask(worker, seconds) is not None
    }
    for _ in range(rounds):
        for name, measured in rates.items():
            measured.append(ask(workers[name], seconds) or 0.0)
    for worker in workers.values():
        worker.kill()
        worker.wait()
    return rates


def row(task: Task, rates: dict[str, list[float]]) -> str:
    """A row of the table, with the ratio to each of the others."""
    # A worker's "images" are `batch` for each call; one of the peak's is one product.
    peak = [rate / task.batch * OPERATIONS_OF_PRODUCT for rate in rates["peak"]]
    work = operations_per_image(task)
    of_peak = median(rate * work / most for rate, most in zip(rates["fcnn"], peak, strict=True))
    cells = [task.name, f"{median(rates['fcnn']):,.0f}", f"{of_peak:.0%}"]
    for name, bounds in (
        ("fcnn-1-thread", None),
        ("pytorch", (task.floor[0], task.goal[0])),
        ("pytorch-best", (task.floor[1], task.goal[1])),
    ):
        if name not in rates:
            cells.append("")
            continue
        cells.append(
            f"{ratio(rates, name):.2f}" + (f" ({bounds[0]}, {bounds[1]})" if bounds else "")
        )
    return f"| {' | '.join(cells)} |"


def ratio(rates: dict[str, list[float]], name: str) -> float:
    """How many times as fast as a library fcnn is: the median over the rounds."""
    return median(a / b for a, b in zip(rates["fcnn"], rates[name], strict=True))


def start(name: str, number: int) -> subprocess.Popen[str]:
    """A process that works on one task whenever it is asked."""
    return subprocess.Popen(
        [sys.executable, __file__, "--worker", name, str(number)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parent,
    )


def ask(worker: subprocess.Popen[str], seconds: float) -> float | None:
    """Images per second of the next turn; None if the worker's library is not there."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        worker.stdin.write(f"{seconds}\n")
        worker.stdin.flush()
    except BrokenPipeError:
        return None
    answer = worker.stdout.readline()
    return float(answer) if answer else None


def work(name: str, number: int) -> None:
    """The worker's side: read how long, work, say how fast."""
    task = TASKS[number]
    if name == "peak":
        import with_fcnn

        step = with_fcnn.prepare_peak()
    elif name.startswith("fcnn"):
        import with_fcnn

        step = with_fcnn.prepare(task, threads=1 if name == "fcnn-1-thread" else None)
    elif name == "jax":
        import with_jax

        step = with_jax.prepare(task)
    elif name in ("mygrad", "pureml"):
        import with_numpy_peers

        step = getattr(with_numpy_peers, f"prepare_{name}")(task)
    else:
        import with_pytorch

        step = with_pytorch.prepare(task, best=name == "pytorch-best")
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
        work(sys.argv[2], int(sys.argv[3]))
    else:
        main()
