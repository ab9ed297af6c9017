"""Each command ends with a documented exit code, and says why in one message."""

import errno
import sys
from pathlib import Path

import pytest
import typer
from commands import call

from fcnn.cli.exit_codes import exit_codes, wrong_usage
from fcnn.data import DataError
from fcnn.distributed.failing_alike import FailedAlikeError
from fcnn.runs.config import RunError
from fcnn.runs.experiment import TrainingError
from fcnn.runs.model_by_name import ModelError

QUICK = ["train", "--data", "synthetic", "--epochs", "2", "--model", "linear"]


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (DataError("no data"), 3, "fcnn: no data\n"),
        (RunError("no run"), 2, "fcnn: no run\n"),
        (TrainingError("no numbers"), 1, "fcnn: no numbers\n"),
        (ModelError("no model"), 1, "fcnn: no model\n"),
        (MemoryError("1 TB"), 1, "fcnn: out of memory: 1 TB\n"),
        (OSError("no space left on device"), 1, "fcnn: no space left on device\n"),
        (OSError(errno.ENOSPC, "no space"), 1, "fcnn: no space\n"),
        (FileNotFoundError(errno.ENOENT, "none", "a.npz"), 1, "fcnn: [Errno 2] none: 'a.npz'\n"),
        (KeyboardInterrupt(), 130, "\nInterrupted\n"),
        (FailedAlikeError(DataError("no data"), 0, ""), 3, "fcnn: no data\n"),
        (FailedAlikeError(DataError("no data"), 2, ""), 3, "fcnn: process 2: no data\n"),
    ],
)
def test_an_error_that_a_user_can_do_something_about(error, code, text, capsys):
    with pytest.raises(typer.Exit) as caught, exit_codes():
        raise error
    assert caught.value.exit_code == code
    assert capsys.readouterr().err == text


@pytest.mark.parametrize("kind", [TypeError, ValueError, AttributeError])
def test_a_mistake_of_fcnn_keeps_its_traceback(kind):
    with pytest.raises(kind), exit_codes():
        raise kind


def test_a_mistake_of_fcnn_in_another_process_keeps_its_traceback():
    with pytest.raises(FailedAlikeError, match="in process 2:\nhow it came"), exit_codes():
        raise FailedAlikeError(AttributeError(), 2, "how it came")


def test_what_the_library_refuses_of_what_was_typed_is_wrong_usage(capsys):
    with pytest.raises(typer.Exit) as caught, exit_codes(), wrong_usage():
        raise ValueError("not so")
    assert caught.value.exit_code == 2
    assert capsys.readouterr().err == "fcnn: not so\n"


def test_a_disk_that_is_full_and_a_place_that_is_none(monkeypatch):
    class FullDisk:
        free = 100_000

    monkeypatch.setattr("shutil.disk_usage", lambda path: FullDisk())
    said = call(*QUICK, "--out", "run", code=1).stderr
    assert said.startswith("fcnn: 0.1 MB are free for run, the run needs ")
    Path("file").write_text("")
    assert call(*QUICK, "--out", "file/run", code=1).stderr.startswith("fcnn: ")


@pytest.mark.parametrize("where", ["as it is made", "in training"])
def test_ctrl_c_is_an_interruption_wherever_it_comes(where):
    Path("mine.py").write_text(
        "import fcnn\n"
        "def interrupted(params=(), x=(), rng=None):\n"
        "    raise KeyboardInterrupt\n"
        "def in_training(classes):\n"
        "    layer = fcnn.Layer('own', lambda rng, s: ((), s), interrupted, interrupted)\n"
        "    return fcnn.chain(fcnn.flatten, fcnn.dense(classes), layer)\n"
    )
    function = "interrupted" if where == "as it is made" else "in_training"
    options = ["--data", "synthetic", "--batch-size", 32, "--model", f"mine.py:{function}"]
    said = call("train", *options, "--out", "run", code=130).stderr
    if where == "in training":
        assert said == "\nInterrupted; to go on: fcnn train --resume run\n"
    else:
        assert said == "\nInterrupted\n"
        assert not Path("run").exists()


@pytest.mark.parametrize(
    ("size", "rank"),
    [("PMI_SIZE", "PMI_RANK"), ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK")],
)
def test_many_processes_that_know_nothing_of_each_other_are_refused_once(monkeypatch, size, rank):
    monkeypatch.setenv(size, "4")
    for number, told in (("0", "mpiexec -n 4 fcnn train --mpi"), ("3", "")):
        monkeypatch.setenv(rank, number)
        said = call(*QUICK, "--out", "run", code=2).stderr
        assert told in said
        assert said.count("\n") == bool(told)
    assert not Path("run").exists()
    monkeypatch.setenv(size, "1")
    call(*QUICK, "--out", "run")


def test_many_processes_without_mpi_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    said = call(*QUICK, "--mpi", "--out", "run", code=2).stderr
    assert said.endswith("pip install 'fcnn[mpi]' installs MPI\n")
