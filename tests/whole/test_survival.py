"""Runs that are killed, interrupted, or run out of disk, and go on as if nothing had been."""

import csv
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import fcnn
from fcnn.cli import app

COMMAND = [sys.executable, "-m", "fcnn", "train"]
QUICK = ["--data", "synthetic", "--model", "linear", "--batch-size", "50"]


def call(*arguments, code=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def results(folder):
    """What a run has computed, without the times it took."""
    with np.load(folder / "params.npz") as params:
        arrays = {name: params[name].tobytes() for name in params.files}
    with (folder / "history.csv").open() as file:
        history = [{**row, "seconds": ""} for row in csv.DictReader(file)]
    metrics = json.loads((folder / "metrics.json").read_text())
    return arrays, history, {**metrics, "seconds": 0, "run": ""}


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def without_pictures(monkeypatch):
    monkeypatch.setattr("fcnn.pictures.run_pictures.available", lambda: False)


def test_a_run_killed_at_thirty_moments_is_the_run_that_was_never_killed(elsewhere):
    settings = ["--data", "synthetic", "--batch-size", "100", "--epochs", "900", "--quiet"]
    subprocess.run([*COMMAND, *settings, "--out", "whole"], check=True, timeout=300)
    killed = Path("killed")
    rng = random.Random(0)
    kills = writes = resumed = 0
    while kills < 30:
        started = (killed / "config.json").exists()
        resumed += started
        threads = ["--threads", str(rng.choice([1, 2]))]
        arguments = ["--resume", killed, "--quiet"] if started else [*settings, "--out", killed]
        process = subprocess.Popen(
            [*COMMAND, *arguments, *threads], stderr=subprocess.PIPE, text=True
        )
        if kills % 3 == 0:  # during a write, if one comes
            until = time.monotonic() + 5
            while process.poll() is None and time.monotonic() < until:
                if any(name.endswith(".part") for name in list_files(killed)):
                    writes += 1
                    break
        else:
            time.sleep(rng.uniform(0.0, 1.2))
        process.send_signal(signal.SIGKILL)
        errors = process.communicate()[1]
        assert errors == ""
        assert process.returncode == -signal.SIGKILL, "it was done before it could be killed"
        kills += 1
        if (killed / "checkpoint.npz").exists():
            fcnn.load_checkpoint(
                killed / "checkpoint.npz", fcnn.models.lines_cnn(), fcnn.sgd(0.01, momentum=0.9)
            )
    assert writes >= 5
    assert resumed >= 20
    subprocess.run([*COMMAND, "--resume", killed, "--quiet"], check=True, timeout=300)
    assert results(killed) == results(Path("whole"))
    assert sorted(list_files(killed)) == sorted(list_files(Path("whole")))


def list_files(folder):
    return os.listdir(folder) if folder.exists() else []


@pytest.mark.parametrize("every", [1, 2, 5])
def test_a_run_that_fails_in_any_epoch_goes_on(elsewhere, without_pictures, monkeypatch, every):
    call("train", *QUICK, "--epochs", 5, "--out", "whole", "--quiet")
    save = fcnn.tree.save
    for failing in range(1, 6):
        calls = []

        def fail(path, content, failing=failing, calls=calls):
            calls.append(path)
            if len(calls) == failing:
                raise OSError(28, "No space left on device")
            save(path, content)

        out = Path(f"broken{failing}")
        with monkeypatch.context() as patch:
            patch.setattr(fcnn.tree, "save", fail)
            settings = [*QUICK, "--epochs", 5, "--checkpoint-every", every, "--quiet"]
            result = CliRunner().invoke(app, [*map(str, settings_of("train", settings, out))])
        if result.exit_code:
            assert result.stderr == "fcnn: No space left on device\n"
            call("train", "--resume", out, "--quiet")
        assert results(out) == results(Path("whole"))


def settings_of(command, settings, out):
    return [command, *settings, "--out", out]


def test_resume_works_before_the_first_checkpoint_and_says_so_when_finished(
    elsewhere, without_pictures
):
    whole = ["--epochs", "2", "--out"]
    call("train", *QUICK, *whole, "run")
    expected = results(Path("run"))
    for name in ("params.npz", "history.csv", "metrics.json", "checkpoint.npz"):
        Path("run", name).unlink()
    Path("run/config.json.17-3.part").write_text("{")
    out = call("train", "--resume", "run").stdout
    assert out.startswith("Going on with the run in run\nEpoch 1/2 - Train Loss: ")
    assert results(Path("run")) == expected
    assert not Path("run/config.json.17-3.part").exists()
    before = {path: path.read_bytes() for path in Path("run").iterdir()}
    assert "The run in run is finished" in call("train", "--resume", "run").stdout
    assert json.loads(call("train", "--resume", "run", "--json").stdout)["epochs"] == 2
    assert call("train", "--resume", "run", "--quiet").stdout == ""
    assert {path: path.read_bytes() for path in Path("run").iterdir()} == before


def test_a_run_that_lacks_only_its_end_gets_it(elsewhere, without_pictures):
    call("train", *QUICK, "--epochs", "2", "--out", "run")
    expected = results(Path("run"))
    Path("run/metrics.json").unlink()
    Path("run/params.npz").unlink()
    call("train", "--resume", "run")
    assert results(Path("run")) == expected


def test_resume_takes_no_settings(elsewhere):
    call("train", *QUICK, "--epochs", "1", "--out", "run", "--quiet")
    for setting in (["--epochs", "7"], ["--data", "mnist5k"], ["--seed", "0"], ["--out", "b"],
                    ["--batch-size", "3"], ["--recipe", "reference"]):  # fmt: skip
        stderr = call("train", "--resume", "run", *setting, code=2).stderr
        assert stderr == f"fcnn: --resume takes the settings of the run; leave out {setting[0]}\n"


def test_folders_that_hold_something_are_refused(elsewhere, without_pictures):
    call("train", *QUICK, "--epochs", "1", "--out", "run", "--quiet")
    stderr = call("train", *QUICK, "--out", "run", code=2).stderr
    assert "run holds a run already; go on with it by --resume run" in stderr
    Path("full").mkdir()
    Path("full/letters.txt").write_text("dear")
    stderr = call("train", *QUICK, "--out", "full", code=2).stderr
    assert stderr == "fcnn: full is not empty: it holds letters.txt\n"
    assert os.listdir("full") == ["letters.txt"]
    Path("left").mkdir()
    Path("left/config.json.12-3.part").write_text("{")
    Path("left/.lock").touch()
    call("train", *QUICK, "--epochs", "1", "--out", "left", "--quiet")
    assert sorted(os.listdir("left")) == sorted(os.listdir("run"))
    for name in ("nothing", "full"):
        stderr = call("train", "--resume", name, code=2).stderr
        assert stderr == f"fcnn: {name} is not a run: there is no readable config.json in it\n"
    assert os.listdir("full") == ["letters.txt"]


HOLD = """
import sys, time
from pathlib import Path
from fcnn.locks import only_process_in
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


def start(*arguments, **settings):
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **settings,
    )


def test_ctrl_c_ends_after_the_step_and_says_how_to_go_on(elsewhere):
    settings = ["--data", "synthetic", "--batch-size", "100", "--epochs", "60"]
    whole = start(*settings, "--out", "whole", "--quiet")
    with start(*settings, "--out", "run") as process:
        for _ in range(3):
            process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert errors == "\nInterrupted; to go on: fcnn train --resume run\n"
    assert process.returncode == 130
    record = fcnn.load_checkpoint(
        "run/checkpoint.npz", fcnn.models.lines_cnn(), fcnn.sgd(0.01, momentum=0.9)
    )
    assert 3 <= record.epoch < 60
    assert ".lock" not in os.listdir("run")
    subprocess.run([*COMMAND, "--resume", "run", "--quiet"], check=True, timeout=120)
    assert whole.wait(120) == 0
    whole.communicate()
    assert results(Path("run")) == results(Path("whole"))


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
        while "checkpoint.npz" not in list_files(Path("run")):
            time.sleep(0.01)
            assert process.poll() is None
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (10_000, 10_000))
        _, errors = process.communicate(timeout=60)
    assert errors == "fcnn: cannot write run/checkpoint.npz: File too large\n"
    assert process.returncode == 1
    assert not any(name.endswith(".part") for name in os.listdir("run"))
    fcnn.load_checkpoint(
        "run/checkpoint.npz", fcnn.models.lines_cnn(), fcnn.sgd(0.01, momentum=0.9)
    )


def test_a_disk_that_is_too_full_is_noticed_before_any_work(elsewhere, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: FullDisk())
    stderr = call("train", *QUICK, "--out", "run", code=1).stderr
    assert stderr == "fcnn: 0.1 MB are free for run, the run needs 2.0 MB\n"


class FullDisk:
    free = 100_000


def test_folders_that_cannot_be_made_are_noticed_before_any_work(elsewhere):
    Path("file").touch()
    assert "file is a file" in call("train", *QUICK, "--out", "file", code=2).stderr
    stderr = call("train", *QUICK, "--out", "file/run", code=1).stderr
    assert stderr == "fcnn: [Errno 20] Not a directory: 'file/run'\n"
    if sys.platform == "linux":
        assert "/proc/run" in call("train", *QUICK, "--out", "/proc/run", code=1).stderr


def test_a_folder_that_vanishes_is_a_clear_error(elsewhere):
    settings = ["--data", "synthetic", "--epochs", "400", "--batch-size", "100", "--quiet"]
    with start(*settings, "--out", "run") as process:
        while "checkpoint.npz" not in list_files(Path("run")):
            time.sleep(0.01)
            assert process.poll() is None
        os.rename("run", "gone")
        _, errors = process.communicate(timeout=60)
    assert errors.startswith("fcnn: cannot write run/")
    assert errors.endswith(": No such file or directory\n")
    assert process.returncode == 1
    call("train", "--resume", "gone", "--quiet")
    assert Path("gone/metrics.json").exists()


def test_data_that_has_changed_is_noticed(elsewhere, without_pictures):
    rng = np.random.default_rng(0)
    arrays = {"x_train": rng.random((40, 6, 6)), "y_train": np.arange(40) % 2,
              "x_test": rng.random((10, 6, 6)), "y_test": np.arange(10) % 2}  # fmt: skip
    np.savez("mine.npz", **arrays)
    settings = ["--data", "mine.npz", "--model", "linear", "--epochs", "1", "--quiet"]
    call("train", *settings, "--out", "run")
    Path("run/metrics.json").unlink()
    arrays["x_train"][0, 0, 0] += 0.001
    np.savez("mine.npz", **arrays)
    stderr = call("train", "--resume", "run", code=2).stderr
    assert "mine.npz has changed since the run began" in stderr


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("checkpoint.npz", lambda data: data[:-9], "is not a readable .npz file"),
        ("history.csv", lambda data: b"", "is not readable"),
        ("history.csv", lambda data: data[: data.index(b"\n2,") + 1], "lacks epochs before 2"),
        ("history.csv", lambda data: data.replace(b"epoch", b"time", 1), "its columns are time"),
        ("history.csv", lambda data: data.replace(b"\n1,", b"\n1,x,"), "is not readable"),
        ("config.json", lambda data: data[:50], "is not JSON"),
        ("config.json", lambda data: data.replace(b'"epochs": 2', b'"epochs": "2"'),
         "epochs is '2', expected an integer of at least 1"),
        ("config.json", lambda data: data.replace(b'"epochs": 2', b'"epochs": 1'),
         "is not of the run in"),
        ("config.json", lambda data: data.replace(b'"epochs"', b'"epoch": 2, "epochs"'),
         "unknown key 'epoch'; did you mean 'epochs'?"),
        ("config.json", lambda data: data.replace(b"0.1,", b"NaN,"), "learning_rate is nan"),
        ("config.json", lambda data: data.replace(b'"patience": null', b'"patience": 2'),
         "patience needs a validation set"),
        ("config.json", lambda data: data.replace(b'"rotation"', b'"rotatio"'),
         "unknown augmentation 'rotatio'; did you mean 'rotation'?"),
        ("config.json", lambda data: data.replace(b'fraction": 0.0', b'fraction": 1e-9'),
         "of 600 training images 0 would be held out"),
        ("history.csv", lambda data: data.replace(b"\n2,", b"\n3,"), "lacks epochs before 2"),
        ("history.csv", lambda data: data.replace(b"test", b"validation"),
         "its columns are epoch, train_loss, train_accuracy, validation_loss, validation_accuracy, "
         "seconds; expected epoch, train_loss, train_accuracy, test_loss, test_accuracy, seconds"),
        ("config.json", lambda data: data.replace(b'"linear"', b'"linea"'),
         "unknown model 'linea'; did you mean 'linear'?"),
        ("config.json", lambda data: data.replace(b'"format": 3', b'"format": 9'),
         "has format 9; this version of fcnn reads up to 3"),
    ],
)  # fmt: skip
def test_a_damaged_run_is_refused_by_name(elsewhere, without_pictures, name, change, text):
    call("train", *QUICK, "--epochs", "2", "--out", "run", "--quiet")
    Path("run/metrics.json").unlink()
    path = Path("run", name)
    path.write_bytes(change(path.read_bytes()))
    stderr = call("train", "--resume", "run", code=2).stderr
    assert text in stderr
    assert f"run/{name}" in stderr
    assert "Traceback" not in stderr


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
