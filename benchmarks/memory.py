"""Peak memory of an epoch on all of MNIST: the command line of fcnn beside a PyTorch script.

    python benchmarks/memory.py

Needs all of MNIST (`fcnn data download`, or FCNN_DATA_DIR) and Linux. Prints, in MB, the peak
of the memory of each program with its helper processes: of what several of them share, each
is charged its part (the proportional set size). Sampled every 5 ms.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

TORCH = """
import torch
from torch import nn
import fcnn.data

(x, labels), (x_test, labels_test) = fcnn.data.mnist()
x, labels, x_test, labels_test = map(torch.from_numpy, (x, labels, x_test, labels_test))
torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
for batch in torch.randperm(len(x)).split(64):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x[batch]), labels[batch]).backward()
    optimizer.step()
with torch.inference_mode():
    right = sum(
        int((model(a).argmax(1) == b).sum())
        for a, b in zip(x_test.split(1000), labels_test.split(1000))
    )
print(right / len(x_test))
"""


def main() -> None:
    """Print a line for each program."""
    with tempfile.TemporaryDirectory() as folder:
        train = ["-m", "fcnn", "train", "--data", "mnist", "--epochs", "1", "--quiet"]
        without = "import sys; sys.modules['matplotlib'] = None; from fcnn.cli import app; app()"
        programs = {
            "fcnn train --data mnist --epochs 1": [*train, "--out", f"{folder}/1"],
            "the same without pictures": ["-c", without, *train[2:], "--out", f"{folder}/2"],
            "PyTorch": ["-c", TORCH],
        }
        for name, arguments in programs.items():
            print(f"{name:40} {peak([sys.executable, *arguments]) / 1e6:6.0f} MB", flush=True)


def peak(command: list[str]) -> int:
    """The peak of a program's memory in bytes."""
    most = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as program:
        while program.poll() is None:
            most = max(most, sum(map(memory, family(program.pid))))
            time.sleep(0.005)
    if program.returncode:
        raise SystemExit(f"{command} failed")
    return most


def family(process: int) -> list[int]:
    """A process and those that it has started."""
    found = [process]
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += [
                grandchild
                for child in children.read_text().split()
                for grandchild in family(int(child))
            ]
        except OSError:
            continue
    return found


def memory(process: int) -> int:
    """The proportional set size of a process in bytes; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
