"""`fcnn train --mpi`: what any number of processes leave is what one does, bit for bit; whatever
happens to one of them ends all, with one message, and the run goes on from its last checkpoint.
"""

import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import call, results

# Pictures take longer than all the rest of a small run.
PROGRAM = (
    "import fcnn.pictures.run_pictures as p; p.available = lambda: False; "
    "from fcnn import cli; cli.app()"
)
TRAIN = [sys.executable, "-c", PROGRAM, "train"]
# 7 shards a batch, and a last batch of one.
OPTIONS = ["--data", "lines.npz", "--model", "mine.py:model", "--batch-size", 200, "--epochs", 3]
STEPS = 3  # in an epoch

MODEL = """\
import os, signal, time
import fcnn
from mpi4py import MPI

event, rank, step = os.environ.get("EVENT", "none 0 0").split()
calls = 0

def interrupted(params, x, rng=None):
    global calls
    calls += rng is not None
    if rng is not None and MPI.COMM_WORLD.rank == int(rank) and calls == int(step):
        if event == "error":
            raise ValueError("a bad moment")
        if event == "exit":
            raise SystemExit(3)
        if event == "wait":
            print("waits", flush=True)
            time.sleep(5)
        if event in signal.Signals.__members__:
            os.kill(os.getpid(), signal.Signals[event])
    return x, None

def model(classes):
    own = fcnn.Layer(
        "own", lambda rng, shape: ((), shape), interrupted, lambda cache, dy: ((), dy),
        needs_rng=True,
    )
    return fcnn.chain(own, fcnn.conv2d(2), fcnn.dropout(0.2), fcnn.flatten, fcnn.dense(classes))
"""


@pytest.fixture(autouse=True)
def folder(elsewhere, without_pictures):
    """A folder with data and a model."""
    rng = np.random.default_rng(0)
    x, y = rng.random((401, 8, 8), np.float32), np.arange(401) % 3
    np.savez("lines.npz", x_train=x, y_train=y, x_test=x[:50], y_test=y[:50])
    Path("mine.py").write_text(MODEL)
    return elsewhere


@pytest.fixture
def one(folder):
    """The run of one process."""
    call("train", *OPTIONS, "--out", "one")
    return folder / "one"


def event(monkeypatch, what, rank, step):
    """Let something happen to a process in that one of its shards, counted from 1."""
    monkeypatch.setenv("EVENT", f"{what} {rank} {step}")


def went_on(launch, monkeypatch, folder, count):
    """The results of a run that was ended, gone on with by that many processes."""
    monkeypatch.delenv("EVENT")
    code, out, err = launch(count, *TRAIN, "--mpi", "--quiet", "--resume", folder)
    assert (out, err, code) == ("", "", 0)
    return results(Path(folder))


def test_the_bits_are_those_of_one_process(one, launch):
    for count in (1, 2, 3, 5):
        folder = one.with_name(f"of{count}")
        code, out, err = launch(count, *TRAIN, "--mpi", "--json", *OPTIONS, "--out", folder)
        assert (err, code) == ("", 0)
        assert json.loads(out)["epochs"] == 3  # one object: one process speaks
        assert results(folder) == results(one)
        assert {path.name for path in folder.iterdir()} == {path.name for path in one.iterdir()}


def test_a_run_with_a_validation_set_goes_on_with_any_number_of_processes(launch, monkeypatch):
    options = [*OPTIONS, "--validation-fraction", 0.1, "--out"]
    call("train", *options, "one")
    event(monkeypatch, "SIGKILL", 0, 10)
    code, _, _ = launch(2, *TRAIN, "--mpi", *options, "run")
    assert code != 0
    assert Path("run", "best.npz").exists()
    assert went_on(launch, monkeypatch, "run", 3) == results(Path("one"))


@pytest.mark.parametrize(
    ("what", "rank", "code", "text"),
    [
        ("error", 0, 1, "fcnn: model: ValueError in line 13 of"),
        ("error", 1, 1, "fcnn: process 1: model: ValueError in line 13 of"),
        ("exit", 1, 1, "fcnn: process 1: model: SystemExit in line 15 of"),
        ("SIGKILL", 0, 9, "Killed"),
        ("SIGKILL", 1, 9, "Killed"),
        ("SIGINT", 0, 130, "Interrupted; to go on: fcnn train --resume run"),
        ("SIGINT", 1, 130, "Interrupted; to go on: fcnn train --resume run"),
    ],
)
def test_what_happens_to_one_ends_all_and_the_run_goes_on(
    launch, monkeypatch, one, what, rank, code, text
):
    event(monkeypatch, what, rank, 10)  # in the second epoch
    found, out, err = launch(2, *TRAIN, "--mpi", *OPTIONS, "--out", "run")
    assert found == code
    told = [line for line in err.splitlines() if line.startswith(("fcnn", "Interrupted"))]
    assert len(told) == (what != "SIGKILL")
    assert text in out + err
    assert went_on(launch, monkeypatch, "run", 2 + rank) == results(one)


def test_ctrl_c_stops_all_after_the_same_step(start, launch, monkeypatch, one):
    event(monkeypatch, "wait", 1, 10)
    launched = start(2, *TRAIN, "--mpi", *OPTIONS, "--out", "run")
    while "waits" not in launched.stdout.readline():
        pass
    launched.send_signal(signal.SIGINT)
    _, err = launched.communicate(timeout=100)
    assert launched.returncode == 130
    assert err.count("Interrupted; to go on: fcnn train --resume run") == 1
    assert "Traceback" not in err
    assert went_on(launch, monkeypatch, "run", 3) == results(one)


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--data", "none"], 2, "fcnn: load: unknown data 'none'. Known: mnist5k, mnist, .."),
        (["--data", "none.npz"], 3, "fcnn: load: none.npz does not exist\n"),
        (["--batch-size", 1000], 2, "fcnn: the batch size is 1000, but there are 401 .."),
        (["--out", "mine.py"], 2, "fcnn: mine.py is a file; choose another folder\n"),
        (["--learning-rate", 1e30], 1, "fcnn: epoch 1, step 2: the loss is .."),
    ],
)
def test_what_all_meet_alike_is_told_once(launch, options, code, text):
    given = {**dict(zip(OPTIONS[::2], OPTIONS[1::2], strict=True)), "--out": "run"}
    given |= dict([options])
    typed = [part for pair in given.items() for part in pair]
    found, out, err = launch(3, *TRAIN, "--mpi", "--quiet", *typed)
    assert (out, found) == ("", code)
    assert err.startswith(text.removesuffix(".."))
    assert err.count("fcnn: ") == 1
    assert "Abort" not in err


@pytest.mark.parametrize("what", ["data", "run"])
def test_what_one_lacks_is_told_by_its_name(launch, what):
    program = f"""
        import os
        from mpi4py import MPI
        if MPI.COMM_WORLD.rank == 1:
            os.chdir("other")
        {PROGRAM}
    """
    Path("other").mkdir()
    if what == "data":  # where the processes are on machines of their own
        program = program.replace(
            "import os", "import os, fcnn.distributed.mpi as m; "
            "m._same_machine = lambda mpi, communicator: (communicator.rank,)", 1
        )  # fmt: skip
        Path("other", "mine.py").write_text(MODEL)
        code, out, err = launch(2, program, "train", "--mpi", *OPTIONS, "--out", "run")
        assert (out, err) == ("", "fcnn: process 1: load: lines.npz does not exist\n"), code
        assert code == 3
    else:
        call("train", *OPTIONS, "--out", "run")
        code, out, err = launch(2, program, "train", "--mpi", "--resume", "run")
        assert (out, code) == ("", 2)
        assert err.startswith("fcnn: process 1: run is not a run")


def test_data_that_differs_is_an_error(launch):
    program = f"""
        import numpy as np, os, fcnn.distributed.mpi as m
        from mpi4py import MPI
        m._same_machine = lambda mpi, communicator: (communicator.rank,)
        if MPI.COMM_WORLD.rank == 1:
            data = dict(np.load("lines.npz"))
            data["x_train"][400, 7, 7] += 1e-6
            os.chdir("other")
            np.savez("lines.npz", **data)
        {PROGRAM}
    """
    Path("other").mkdir()
    Path("other", "mine.py").write_text(MODEL)
    code, out, err = launch(2, program, "train", "--mpi", "--quiet", *OPTIONS, "--out", "run")
    assert (out, code) == ("", 1)
    assert err.startswith("fcnn: fit: processes differ: the training set is")
    assert len(err.splitlines()) == 1


def test_a_launcher_without_mpi_is_refused(launch):
    code, out, err = launch(2, *TRAIN, *OPTIONS, "--out", "run")
    assert (out, code) == ("", 2)
    assert err.startswith("fcnn: 2 processes have been started, and each would train by itself; ")
    assert "mpiexec -n 2 fcnn train --mpi" in err
    assert not Path("run").exists()


def test_a_run_that_is_finished_is_not_begun_again(launch, one):
    code, out, err = launch(2, *TRAIN, "--mpi", "--resume", "one")
    assert (err, code) == ("", 0)
    assert out == "The run in one is finished; fcnn evaluate one shows it\n"


def test_runs_that_begin_with_another_and_go_on_to_more_epochs_are_those_of_one(one, launch):
    constant = ["--recipe", "reference", "--seed", 1]
    more = [*OPTIONS[:-1], 1, *constant, "--init", "one", "--out"]
    call("train", *more, "more")
    call("train", "--resume", "more", "--epochs", 2)
    code, out, err = launch(2, *TRAIN, "--mpi", *more, "run")
    assert (err, code) == ("", 0)
    assert out.count("Begins with 4 arrays of the parameters in one\n") == 1
    code, out, err = launch(3, *TRAIN, "--mpi", "--quiet", "--resume", "run", "--epochs", 2)
    assert (out, err, code) == ("", "", 0)
    assert results(Path("run")) == results(Path("more"))
    for options, text in [
        (["--resume", "run", "--epochs", 2], "run cannot go on to 2 epochs: it has done 2"),
        ([*more[:-3], "--init", "run", "--model", "linear", "--out", "b"], "no parameter of"),
    ]:
        code, out, err = launch(3, *TRAIN, "--mpi", *options)
        assert (out, code) == ("", 2)
        assert err.startswith(f"fcnn: {text}")
        assert err.count("fcnn: ") == 1
