"""Folders, pipes, devices, and paths that lead nowhere: refused at once by every reader."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from idx_files import MNIST_NAMES, small_arrays, write_idx_folder
from typer.testing import CliRunner
from verdicts import exit_code_of, limited

import fcnn
from fcnn import data, tree
from fcnn.cli import app
from fcnn.data.idx import read_idx
from fcnn.runs.config import RunError, read_config, read_json
from fcnn.runs.history import read_history
from fcnn.runs.model_by_name import model_by_name

KINDS = ("folder", "pipe", "socket", "loop", "nowhere", "device", "empty")
NAMES = ("~nobody-here/digits.npz", "~nobody-here/digits", "x" * 5000, "x" * 5000 + ".npz",
         "a/" * 3000, "a\0b/c", "a\0b.npz", "\udcff/\udcff.npz", "\ud800.npz", "\ud800/a",
         "digits.npz/a", "//", "\x1b[2J/", "con", " ", "/dev/zero", "/dev/null", "loop.npz",
         "loop/loop", "loop.npz/a.npz")  # fmt: skip
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


def not_a_file(kind, path):
    """Something at a path that no reader should wait for or follow for ever."""
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "nowhere":
        path.symlink_to("nowhere")
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "empty":
        path.write_bytes(b"")


@pytest.fixture
def no_waiting():
    """Fail a test whose reader waits for what never comes, or reads what never ends."""
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits for ever"))
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


@posix
@limited
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_refused_by_every_reader(tmp_path, run, monkeypatch, no_waiting, kind):
    arrays = small_arrays()
    for name in MNIST_NAMES:
        folder = write_idx_folder(tmp_path, arrays)
        not_a_file(kind, folder / name)
        with pytest.raises(data.DataError, match=r"missing|cannot be read|not an IDX"):
            data.load(folder)
        with pytest.raises(data.DataError, match=r"cannot be read|not an IDX"):
            read_idx(folder / name)
        not_a_file("empty", folder / name)
    monkeypatch.setenv("FCNN_DATA_DIR", str(folder))
    not_a_file(kind, folder / MNIST_NAMES[0])
    with pytest.raises(data.DataError, match=r"lacks|is damaged"):
        data.load("mnist")
    archive = tmp_path / "digits.npz"
    not_a_file(kind, archive)
    with pytest.raises(data.DataError, match=r"holds no|neither|cannot be read"):
        data.load(archive)
    with pytest.raises(data.DataError, match="cannot be read"):
        data.npz_file(archive)
    config = read_config(run)
    for name, read in {
        "params.npz": lambda: fcnn.load_run(run),
        "metrics.json": lambda: read_json(run / "metrics.json"),
        "history.csv": lambda: read_history(run, config),
        "config.json": lambda: fcnn.load_run(run),
    }.items():
        not_a_file(kind, run / name)
        with pytest.raises(RunError):
            read()
    assert exit_code_of("evaluate", run) == 2
    with pytest.raises((ValueError, FileNotFoundError)):
        tree.load(run / "params.npz", ())
    with pytest.raises((ValueError, FileNotFoundError)):
        fcnn.load_model(run / "params.npz")
    for arguments in (["evaluate"], ["summary"], ["train", "--data", "synthetic", "--init"]):
        assert exit_code_of(*arguments, run / "params.npz") == 2


@posix
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_on_the_command_line_of_a_process(tmp_path, run, kind):
    for name, path, code in [
        ("train", tmp_path / "other.npz", 3),
        ("evaluate", run / "params.npz", 2),
        ("evaluate", run / "config.json", 2),
    ]:
        not_a_file(kind, path)
        arguments = ["--data", path] if name == "train" else [run]
        done = subprocess.run(
            [sys.executable, "-m", "fcnn", name, *map(str, arguments)],
            capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        assert done.returncode == code
        assert done.stderr.startswith("fcnn: ")
        assert "Traceback" not in done.stderr


@posix
@pytest.mark.parametrize("name", NAMES)
def test_paths_that_lead_nowhere(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for loop in ("loop", "loop.npz"):
        Path(loop).symlink_to(loop)
    Path("digits.npz").write_bytes(b"")
    for load in (data.load, data.npz_file, data.idx_folder, data.mnist):
        with pytest.raises((data.DataError, ValueError) if load is data.load else data.DataError):
            load(name)
    with pytest.raises(RunError):
        fcnn.load_run(name)
    with pytest.raises((ValueError, FileNotFoundError)):
        fcnn.load_model(name)
    for model in (f"{name}:f", f"{name}.py:f"):
        with pytest.raises(ValueError, match=r"model|null|surrogates"):
            model_by_name(model, 3)
    if "\0" not in name and "\ud800" not in name:  # which no command line can have
        assert exit_code_of("train", "--data", name) in (2, 3)
        assert exit_code_of("train", "--data", "synthetic", "--model", f"{name}:f") == 2
        assert exit_code_of("evaluate", name) == 2
        assert exit_code_of("train", "--data", "synthetic", "--init", name) == 2
        monkeypatch.setenv("FCNN_DATA_DIR", name)
        assert exit_code_of("train", "--data", "mnist") == 3
        assert CliRunner().invoke(app, ["data"]).exception is None
