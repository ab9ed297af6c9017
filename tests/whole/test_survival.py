"""Runs that are killed, interrupted, or run out of disk, and go on as if nothing had been."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import effort
import numpy as np
import pytest
from commands import QUICK, call, results, start
from effort import times

import fcnn


@pytest.mark.heavy
def test_a_run_killed_at_thirty_moments_is_the_run_that_was_never_killed(elsewhere):
    epochs = 900 if effort.full else 45
    settings = ["--data", "synthetic", "--batch-size", "100", "--epochs", epochs, "--quiet"]
    rng = random.Random(0)
    killed = Path("killed")
    resumed = writes = 0
    with start(*settings, "--out", "whole", "--threads", 1) as whole:
        for kill in range(times(30)):
            started = (killed / "config.json").exists()
            resumed += started
            arguments = ["--resume", killed, "--quiet"] if started else [*settings, "--out", killed]
            with start(*arguments, "--threads", rng.choice([1, 2])) as process:
                if kill == 0 or kill % 3 == 1:
                    writes += wait_for_write(process, killed, "checkpoint.npz" if kill % 2 else "")
                else:
                    time.sleep(rng.uniform(0.0, 1.2))
                process.kill()
                assert process.communicate()[1] == ""
            assert process.returncode == -signal.SIGKILL, "it was done before it could be killed"
            if (killed / "checkpoint.npz").exists():
                checkpoint_in(killed)
        call("train", "--resume", killed, "--quiet")
        assert whole.wait(300) == 0
    assert writes >= times(5)
    assert resumed >= times(30) - 2
    assert results(killed) == results(Path("whole"))
    assert sorted(os.listdir(killed)) == sorted(os.listdir("whole"))


def wait_for_write(process, folder, name):
    """Whether a file whose name begins so is being written, if not at once then soon."""
    until = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < until:
        for found in os.listdir(folder) if folder.exists() else ():
            if found.startswith(name) and found.endswith(".part"):
                return True
    return False


def checkpoint_in(folder):
    """The last record of a run of lines_cnn."""
    model, optimizer = fcnn.models.lines_cnn(), fcnn.sgd(0.01, momentum=0.9)
    return fcnn.load_checkpoint(folder / "checkpoint.npz", model, optimizer)


def test_ctrl_c_ends_after_the_step_and_says_how_to_go_on(elsewhere):
    settings = ["--data", "synthetic", "--batch-size", "100", "--epochs", "25"]
    with start(*settings, "--out", "whole", "--quiet") as whole:
        with start(*settings, "--out", "run") as process:
            for _ in range(4):  # what is trained, and three epochs
                process.stdout.readline()
            os.killpg(process.pid, signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        assert errors == "\nInterrupted; to go on: fcnn train --resume run\n"
        assert process.returncode == 130
        assert 3 <= checkpoint_in(Path("run")).epoch < 25
        assert ".lock" not in os.listdir("run")
        call("train", "--resume", "run", "--quiet")
        assert whole.wait(120) == 0
    assert results(Path("run")) == results(Path("whole"))


HOLD = """
import sys, time
from pathlib import Path
from fcnn.files.locks import only_process_in
with only_process_in(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_processes_on_one_folder_and_the_lock_of_a_dead_one(elsewhere, without_pictures):
    call("train", *QUICK, "--epochs", "1", "--out", "run", "--quiet")
    Path("run/metrics.json").unlink()
    Path("empty").mkdir()
    for folder, arguments in [("run", ["--resume", "run"]), ("empty", [*QUICK, "--out", "empty"])]:
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE, text=True
        )
        with holder:
            assert holder.stdout.readline() == "held\n"
            stderr = call("train", *arguments, code=2).stderr
            assert stderr == f"fcnn: another process is at work in {folder}\n"
            holder.kill()
        call("train", *arguments, "--quiet")
        assert Path(folder, "metrics.json").exists()
        assert not Path(folder, ".lock").exists()


WAITING = """
import pathlib, time, fcnn

def waiting():
    def forward(params, x, rng=None):
        if rng is not None:
            print("step", flush=True)
            while not pathlib.Path("go").exists():
                time.sleep(0.01)
        return x, ()
    wait = fcnn.Layer("wait", lambda rng, s: ((), s), forward, lambda cache, dy: ((), dy))
    return fcnn.chain(fcnn.flatten, wait, fcnn.dense(3))
"""


def test_a_run_whose_folder_was_deleted_writes_nothing_to_that_of_another(
    elsewhere, without_pictures
):
    Path("waiting.py").write_text(WAITING)
    waiting = ["--data", "synthetic", "--model", "waiting.py:waiting", "--threads", "1"]
    with start(*waiting, "--out", "run") as process:
        assert " parameters, recipe " in process.stdout.readline()
        assert process.stdout.readline() == "step\n"
        shutil.rmtree("run")
        call("train", *QUICK, "--epochs", "1", "--out", "run", "--quiet")
        left = {path.name: path.read_bytes() for path in Path("run").iterdir()}
        Path("go").touch()
        _, errors = process.communicate(timeout=60)
    assert errors == (
        "fcnn: cannot write run/history.csv: .lock in run was deleted or replaced, so another "
        "process may be at work there\n"
    )
    assert process.returncode == 1
    assert {path.name: path.read_bytes() for path in Path("run").iterdir()} == left


SLOW = """
import time, fcnn

def slow():
    def forward(params, x, rng=None):
        if rng is not None:
            print("step", flush=True)
            time.sleep(20)
        return x, ()
    wait = fcnn.Layer("wait", lambda rng, s: ((), s), forward, lambda cache, dy: ((), dy))
    return fcnn.chain(fcnn.flatten, wait, fcnn.dense(3))
"""


def test_a_second_ctrl_c_stops_at_once(elsewhere):
    Path("slow.py").write_text(SLOW)
    settings = ["--data", "synthetic", "--model", "slow.py:slow", "--threads", "1"]
    with start(*settings, "--out", "run") as process:
        assert " parameters, recipe " in process.stdout.readline()
        assert process.stdout.readline() == "step\n"
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None  # it waits for the step
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert time.monotonic() - begun < 15  # the step alone takes 40 seconds
    assert errors == "\nInterrupted; to go on: fcnn train --resume run\n"
    assert process.returncode == 130


def test_a_full_disk_leaves_the_last_checkpoint(elsewhere):
    """A limit on the size of files stands for the full disk: writing fails in the kernel."""
    settings = ["--data", "synthetic", "--epochs", "400", "--batch-size", "100", "--quiet"]
    with start(*settings, "--out", "run") as process:
        while not Path("run/checkpoint.npz").exists():
            time.sleep(0.01)
            assert process.poll() is None
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (10_000, 10_000))
        _, errors = process.communicate(timeout=60)
    assert errors == "fcnn: cannot write run/checkpoint.npz: File too large\n"
    assert process.returncode == 1
    assert not any(name.endswith(".part") for name in os.listdir("run"))
    checkpoint_in(Path("run"))


def test_a_disk_that_is_too_full_is_noticed_before_any_work(elsewhere, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: FullDisk())
    stderr = call("train", *QUICK, "--out", "run", code=1).stderr
    assert stderr == "fcnn: 0.1 MB are free for run, the run needs 2.0 MB\n"


class FullDisk:
    free = 100_000


def test_a_folder_that_vanishes_is_a_clear_error(elsewhere, without_pictures):
    settings = [*QUICK, "--recipe", "reference", "--epochs", "60", "--quiet"]
    with start(*settings, "--out", "run") as process:
        while not Path("run/checkpoint.npz").exists():
            time.sleep(0.01)
            assert process.poll() is None
        os.rename("run", "gone")
        _, errors = process.communicate(timeout=60)
    assert errors.startswith("fcnn: cannot write run/")
    assert errors.endswith(": No such file or directory\n")
    assert process.returncode == 1
    call("train", "--resume", "gone", "--quiet")
    assert Path("gone/metrics.json").exists()


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(elsewhere, without_pictures):
    Path("mine.py").write_text(
        "import fcnn, numpy as np\n"
        "def fragile():\n"
        "    count = []\n"
        "    def forward(params, x, rng=None):\n"
        "        count.append(rng)\n"
        "        return x * (np.nan if sum(r is not None for r in count) > 30 else 1), ()\n"
        "    layer = fcnn.Layer('fragile', lambda rng, s: ((), s), forward,\n"
        "                       lambda cache, dy: ((), dy))\n"
        "    return fcnn.chain(fcnn.flatten, layer, fcnn.dense(3))\n"
    )
    settings = ["--data", "synthetic", "--model", "mine.py:fragile", "--threads", "1"]
    stderr = call(
        "train", *settings, "--batch-size", "30", "--epochs", "3", "--out", "run", code=1
    ).stderr
    assert stderr == (
        "fcnn: epoch 2, step 11: the loss is nan; first not finite: "
        "the output of layer 1, fragile\ntry a smaller learning rate\n"
    )
    with np.load("run/checkpoint.npz") as found:
        assert found["['epoch']"] == 1
