"""More than 20,000 damaged and lying files, through every reader there is.

The verdict on each: what is loaded is exactly what the bytes of the file say, or it is refused
with an error of the documented kind. What the bytes say is told by small readers of the tests'
own. A file that is whole must be loaded. Memory is limited meanwhile, and nothing that a file
holds is executed.
"""

import contextlib
import gzip
import io
import itertools
import json
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import mutations
import numpy as np
import pytest
from idx_files import MNIST_NAMES, write_idx_folder
from small_mnist import CONTENTS, fill, replace_mnist
from typer.testing import CliRunner

import fcnn
from fcnn import data, tree
from fcnn.cli import app
from fcnn.data.idx import read_idx
from fcnn.runs import config as configs
from fcnn.runs import folder as runs

CORPUS = Path(__file__).parent / "corpus"
COUNTS = {
    "idx": 4000, "gzip": 4000, "mnist": 2000, "npz": 5000, "tree": 2500, "checkpoint": 1000,
    "config": 3000, "evaluate": 400, "train": 400,
}  # fmt: skip
MOST_MEMORY = 256 << 20
# What is whole, and is refused all the same.
REFUSALS = ("twice", "longer than the file", "never uses", "not an array in NumPy's format",
            "its header is too long")  # fmt: skip


def test_there_are_more_than_20_000_files():
    assert sum(COUNTS.values()) >= 20_000


@pytest.fixture
def tmp_path(tmp_path):
    """A folder in memory where there is one: disks take milliseconds to replace a file."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="fcnn-fuzz-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def limited_memory():
    """No more memory than there is in use, plus some: what asks for more gets a MemoryError."""
    resource = pytest.importorskip("resource") if sys.platform == "linux" else None
    if resource is None:
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * resource.getpagesize() + MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


limited = pytest.mark.usefixtures("limited_memory")


@pytest.fixture
def trap(tmp_path):
    """What creates a file when it is unpickled; it must never be there."""
    path = tmp_path / "executed"
    yield mutations.Creates(path)
    assert not path.exists()


class Verdicts:
    """Counts what became of the files; a wrong verdict keeps the file and fails the test."""

    def __init__(self, reader):
        self.reader = reader
        self.loaded = self.refused = 0

    def judge(self, content, load, expected, refused_by, *, may_refuse=()):
        """One file. `expected()` is what its bytes say, None if they say nothing."""
        try:
            found = load()
        except refused_by as error:
            self.refused += 1
            text = str(error)
            assert text, self.kept(content)
            assert "MemoryError" not in text, self.kept(content)
            told = expected()
            if told is not None and not any(words in text for words in may_refuse):
                raise AssertionError(f"whole, but refused: {self.kept(content)}") from error
        except Exception as error:
            raise AssertionError(f"{type(error)}: {self.kept(content)}") from error
        else:
            self.loaded += 1
            told = expected()
            assert told is not None, f"damaged, but loaded: {self.kept(content)}"
            assert same(found, told), f"other data: {self.kept(content)}"

    def kept(self, content):
        path = Path(tempfile.gettempdir(), f"fcnn-fuzz-{self.reader}")
        path.write_bytes(content)
        return f"{self.reader}, file {self.loaded + self.refused}, in {path}"

    def close(self, *, at_least):
        assert self.loaded + self.refused == COUNTS[self.reader]
        assert self.loaded >= at_least, (self.loaded, self.refused)
        assert self.refused >= COUNTS[self.reader] / 2, (self.loaded, self.refused)


def same(found, told):
    """Bit for bit: two trees of arrays, numbers and texts."""
    leaves, structure = tree.flatten(found)
    others, other = tree.flatten(told)
    return structure == other and all(map(same_leaf, leaves, others))


def same_leaf(found, told):
    if not isinstance(told, np.ndarray):
        return type(found) is type(told) and repr(found) == repr(told)
    return (found.dtype, found.shape, found.tobytes()) == (told.dtype, told.shape, told.tobytes())


# What the bytes say


def told_by_idx(content):
    """The array in an IDX file of bytes, packed or not; None if there is none."""
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except Exception:
            return None
    if len(content) < 4 or content[:3] != b"\0\0\x08" or content[3] == 0:
        return None
    axes = content[3]
    if len(content) < 4 + 4 * axes:
        return None
    shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    pixels = content[4 + 4 * axes :]
    if math.prod(shape) != len(pixels) or not pixels:
        return None
    return np.frombuffer(pixels, np.uint8).reshape(shape) if axes <= 4 else None


def told_by_npz(content, keys=None):
    """The arrays in an archive by their names; None if one of them is not whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            return {name: told_by_npy(archive.read(held[name])) for name in keys or held}
    except Exception:
        return None


def told_by_npy(content):
    assert len(content) < 10_000_000
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): "read_array_header_1_0", (2, 0): "read_array_header_2_0"}[version]
    shape, column_order, dtype = getattr(np.lib.format, read)(stream)
    rest = stream.read()
    assert dtype.kind in "biufc"
    assert min(shape, default=1) >= 0
    assert len(rest) == math.prod(shape) * dtype.itemsize
    order = "F" if column_order else "C"
    return np.array(np.ndarray(shape, dtype, rest, order=order), order="C")


def data_set(x_train, y_train, x_test, y_test, *, plain=False):
    """Four arrays as the data set that they are; None if they are none.

    In plain ones, of IDX files, channels and columns are nowhere else than they should be.
    """
    parts = (
        (images(x_train, plain), labels(y_train, plain)),
        (images(x_test, plain), labels(y_test, plain)),
    )
    if any(part is None for pair in parts for part in pair):
        return None
    (x, y), (x_other, y_other) = parts
    if x.shape[1:] != x_other.shape[1:] or len(x) != len(y) or len(x_other) != len(y_other):
        return None
    most = max(1000, len(y))
    return parts if max(y.max(), y_other.max()) < most else None


def images(x, plain):
    if x is None or x.ndim not in (3, 4) or x.size == 0:
        return None
    if x.ndim == 3:
        x = x[:, None]
    elif not plain and x.shape[3] in (1, 3) and x.shape[1] not in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x.astype(np.float32) / np.float32(255))
    if x.dtype.kind != "f":
        return None
    with np.errstate(over="ignore"):
        x = np.ascontiguousarray(x.astype(np.float32))
    return x if np.isfinite(x).all() and np.abs(x).max() <= 16 else None


def labels(y, plain):
    if y is None:
        return None
    if not plain and y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.size == 0 or y.dtype.kind not in "iu":
        return None
    y = y.astype(np.int64)
    return y if y.min() >= 0 else None


# Data


@pytest.mark.parametrize(("reader", "suffix"), [("idx", ""), ("gzip", ".gz")])
@limited
def test_idx_folders(tmp_path, reader, suffix):
    """Bytes have no checksum in a plain IDX file: there, what they say now is what counts."""
    rng = np.random.default_rng([1, len(suffix)])
    arrays = mutations.originals()
    folder = write_idx_folder(tmp_path, arrays, suffix=suffix)
    verdicts = Verdicts(reader)
    mutate = mutations.gzip_file if suffix else mutations.idx_file
    for _ in range(COUNTS[reader]):
        key, name = mutations.one_of(rng, list(zip(arrays, MNIST_NAMES, strict=True)))
        path = folder / f"{name}{suffix}"
        whole = path.read_bytes()
        content = mutate(arrays[key], rng)
        path.write_bytes(content)
        changed = arrays | {key: told_by_idx(content)}
        verdicts.judge(
            content,
            lambda: data.load(folder),
            lambda changed=changed: data_set(**changed, plain=True),
            data.DataError,
        )
        path.write_bytes(whole)
    verdicts.close(at_least=300)


@limited
def test_mnist(tmp_path, monkeypatch):
    """A file of MNIST is what it was, or damaged."""
    rng = np.random.default_rng(2)
    replace_mnist(tmp_path, monkeypatch)
    folder = fill(tmp_path / "own", ".gz")
    monkeypatch.setenv("FCNN_DATA_DIR", str(folder))
    whole = data.load("mnist")
    verdicts = Verdicts("mnist")
    for _ in range(COUNTS["mnist"]):
        name = mutations.one_of(rng, list(CONTENTS))
        path = folder / f"{name}.gz"
        content = mutations.gzip_file(told_by_idx(CONTENTS[name]), rng)
        path.write_bytes(content)
        plain = content
        if content[:2] == b"\x1f\x8b":
            with contextlib.suppress(Exception):
                plain = gzip.decompress(content)
        verdicts.judge(
            content,
            lambda: data.load("mnist"),
            lambda plain=plain, name=name: whole if plain == CONTENTS[name] else None,
            data.DataError,
        )
        path.write_bytes(gzip.compress(CONTENTS[name]))
    verdicts.close(at_least=300)


@limited
def test_npz_files(tmp_path, trap):
    rng = np.random.default_rng(3)
    path = tmp_path / "digits.npz"
    arrays = mutations.originals()
    verdicts = Verdicts("npz")
    for _ in range(COUNTS["npz"]):
        content = mutations.npz_file(arrays, rng, trap)
        path.write_bytes(content)

        def expected(content=content):
            found = told_by_npz(content, arrays)
            return found and data_set(**found)

        verdicts.judge(
            content, lambda: data.load(path), expected, data.DataError, may_refuse=REFUSALS
        )
    verdicts.close(at_least=500)


# Trees, checkpoints and runs


@limited
def test_trees(tmp_path, trap):
    rng = np.random.default_rng(4)
    path = tmp_path / "params.npz"
    like = {"w": np.ones((3, 2), np.float32), "b": np.arange(4.0), "n": np.array(7)}
    stored = {f"[{key!r}]": array for key, array in like.items()}
    verdicts = Verdicts("tree")

    def expected(content):
        found = told_by_npz(content)
        if found is None or found.keys() != stored.keys():
            return None
        forms = [(a.dtype, a.shape) == (found[k].dtype, found[k].shape) for k, a in stored.items()]
        return {key: found[f"[{key!r}]"] for key in like} if all(forms) else None

    for _ in range(COUNTS["tree"]):
        content = mutations.npz_file(stored, rng, trap)
        path.write_bytes(content)
        verdicts.judge(
            content,
            lambda: tree.load(path, like),
            lambda content=content: expected(content),
            ValueError,
            may_refuse=REFUSALS,
        )
    verdicts.close(at_least=200)


@limited
def test_checkpoints(tmp_path, trap):
    """Of one record: a checkpoint that loads has the values that are in it."""
    rng = np.random.default_rng(5)
    path = tmp_path / "checkpoint.npz"
    train = np.ones((6, 1, 4, 5), np.float32), np.arange(6) % 3
    model, optimizer = fcnn.models.linear(3), fcnn.sgd(0.01, momentum=0.9)
    params, _ = model.init(np.random.default_rng(0), (1, 4, 5))
    settings = {"epochs": 1, "batch_size": 6, "seed": 0}
    [record] = fcnn.fit(model, params, optimizer, train, test=train, **settings)
    fcnn.save_checkpoint(path, record)
    stored = told_by_npz(path.read_bytes())
    verdicts = Verdicts("checkpoint")

    def load():
        return dict(tree.leaves_with_path(as_stored(fcnn.load_checkpoint(path, model, optimizer))))

    def expected(content):
        found = told_by_npz(content)
        if found is None or found.keys() != stored.keys():
            return None
        for key, array in stored.items():
            if (found[key].dtype, found[key].shape) != (array.dtype, array.shape):
                return None
        held = np.array_equal(found["['in_shape']"], (1, 4, 5)) and found["['epoch']"] >= 1
        return found if held and found["['fcnn_checkpoint']"] <= 2 else None

    for _ in range(COUNTS["checkpoint"]):
        content = mutations.npz_file(stored, rng, trap)
        path.write_bytes(content)
        verdicts.judge(
            content,
            load,
            lambda content=content: expected(content),
            ValueError,
            may_refuse=REFUSALS,
        )
    verdicts.close(at_least=50)


def as_stored(record):
    """A record as the tree that its file holds."""
    figures = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds")
    values = {name: np.array(getattr(record, name)) for name in figures}
    shape = np.array(record.in_shape, np.int64)
    marks = {"fcnn_checkpoint": np.array(1), "in_shape": shape}
    return {**marks, **values, "params": record.params, "state": record.state}


@pytest.fixture
def run(tmp_path):
    """The folder of a run of the linear model on the small data set, which lies beside it."""
    np.savez(tmp_path / "digits.npz", **mutations.originals())
    dataset = data.load(tmp_path / "digits.npz")
    config = configs.Config(
        data=str(tmp_path / "digits.npz"),
        model="linear",
        network=repr(fcnn.models.linear(3)),
        recipe="reference",
        epochs=1,
        batch_size=64,
        learning_rate=0.01,
        momentum=0.9,
        seed=0,
        in_shape=dataset[0][0].shape[1:],
        classes=3,
        data_hash=None,
    )
    folder = tmp_path / "run"
    folder.mkdir()
    configs.write_config(folder, config)
    params = runs.initial_parameters(fcnn.models.linear(3), config)
    tree.save(folder / "params.npz", params)
    return folder


MISFITS = ("model", "network", "in_shape", "classes")  # of the right kind, but not of this run
WELL_FORMED = {
    "data": lambda v: isinstance(v, str) and v != "",
    "model": lambda v: isinstance(v, str) and v != "",
    "network": lambda v: isinstance(v, str) and v != "",
    "recipe": lambda v: isinstance(v, str) and v != "",
    "epochs": lambda v: type(v) is int and v >= 1,
    "batch_size": lambda v: type(v) is int and v >= 1,
    "learning_rate": lambda v: type(v) in (int, float) and 0 <= v <= sys.float_info.max,
    "momentum": lambda v: type(v) in (int, float) and 0 <= v < 1,
    "seed": lambda v: type(v) is int and v >= 0,
    "in_shape": lambda v: type(v) is list and v and all(type(n) is int and n >= 1 for n in v),
    "classes": lambda v: type(v) is int and v >= 1,
    "data_hash": lambda v: v is None or (isinstance(v, str) and v != ""),
    "format": lambda v: type(v) is int and 1 <= v <= 3,
    "versions": lambda v: True,
    "optimizer": lambda v: v in ("sgd", "nesterov", "adam", "adamw"),
    "weight_decay": lambda v: type(v) in (int, float) and 0 <= v <= sys.float_info.max,
    "schedule": lambda v: v in ("constant", "cosine", "one_cycle"),
    "label_smoothing": lambda v: type(v) in (int, float) and 0 <= v <= 1,
    "augmentation": lambda v: (
        type(v) is dict
        and all(type(n) in (int, float) and abs(n) <= sys.float_info.max for n in v.values())
    ),
    "validation_fraction": lambda v: type(v) in (int, float) and 0 <= v < 1,
    "patience": lambda v: v is None or (type(v) is int and v >= 1),
}
# What older formats did not have, and what it is in them.
LATER = {
    "data_hash": (2, None), "optimizer": (3, "sgd"), "weight_decay": (3, 0.0),
    "schedule": (3, "constant"), "label_smoothing": (3, 0.0), "augmentation": (3, {}),
    "validation_fraction": (3, 0.0), "patience": (3, None), "versions": (4, None),
}  # fmt: skip


def without_repeats(pairs):
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def told_by_config(content, whole):
    """The settings in a config.json; None if they are not well formed, or not of this run."""
    try:
        found = json.loads(content, object_pairs_hook=without_repeats)
    except Exception:
        return None
    if not isinstance(found, dict) or not found.keys() <= whole.keys():
        return None
    if "format" not in found or not all(WELL_FORMED[k](v) for k, v in found.items()):
        return None
    later = {key for key, (since, _) in LATER.items() if found["format"] < since}
    if not whole.keys() - later <= found.keys():
        return None
    if any(found[key] != whole[key] for key in MISFITS):
        return None
    told = {key: default for key, (_, default) in LATER.items()} | found
    return {key: value for key, value in told.items() if key not in ("format", "versions")}


def settings_of(run):
    return run.config.plain()


@limited
def test_configs(tmp_path, run):
    """Each key with each value, each key missing, and other damage to config.json."""
    rng = np.random.default_rng(6)
    path = run / "config.json"
    whole = json.loads(path.read_bytes())
    verdicts = Verdicts("config")
    systematic = [
        (key, mutations.with_value(whole, key, value))
        for key, value in itertools.product(whole, mutations.VALUES)
    ]
    for key in whole:
        left = {name: value for name, value in whole.items() if name != key}
        systematic.append((key, json.dumps(left).encode()))
    rest = COUNTS["config"] - len(systematic)
    files = systematic + [(None, mutations.json_file(whole, rng)) for _ in range(rest)]
    for key, content in files:
        path.write_bytes(content)
        verdicts.judge(
            content,
            lambda: settings_of(fcnn.load_run(run)),
            lambda content=content: told_by_config(content, whole),
            runs.RunError,
        )
        if key is None or key == "versions":
            continue
        # What is wrong with one key is told by its name.
        with contextlib.suppress(Exception):
            value = json.loads(content).get(key)
            if not WELL_FORMED[key](value) and not (key == "data_hash" and value is None):
                with pytest.raises(runs.RunError, match=key):
                    configs.read_config(run)
    verdicts.close(at_least=100)


# The command line


def call(*arguments):
    """The exit code of a command that says one thing, and no more than that, where it fails."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exit_code:
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.stderr.startswith("fcnn: ")
        assert result.stderr.count("fcnn: ") == 1
        assert "MemoryError" not in result.stderr
    assert "Traceback" not in result.output
    assert "Warning" not in result.output
    return result.exit_code


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr("fcnn.pictures.run_pictures.available", lambda: False)


@limited
def test_evaluate_on_the_command_line(tmp_path, run, trap):
    """With damaged configs, parameters and data by turns."""
    rng = np.random.default_rng(7)
    whole = json.loads((run / "config.json").read_bytes())
    params = told_by_npz((run / "params.npz").read_bytes())
    makers = {
        run / "config.json": lambda: mutations.json_file(whole, rng),
        run / "params.npz": lambda: mutations.npz_file(params, rng, trap),
        tmp_path / "digits.npz": lambda: mutations.npz_file(mutations.originals(), rng, trap),
    }
    codes = {0: 0, 2: 0, 3: 0}
    for path, _ in zip(itertools.cycle(makers), range(COUNTS["evaluate"]), strict=False):
        kept, content = path.read_bytes(), makers[path]()
        path.write_bytes(content)
        codes[call("evaluate", run, "--threads", 1)] += 1
        path.write_bytes(kept)
    assert sum(codes.values()) == COUNTS["evaluate"]
    assert min(codes.values()) > 20, codes


@limited
def test_train_on_the_command_line(tmp_path, no_pictures, trap, monkeypatch):
    rng = np.random.default_rng(8)
    monkeypatch.chdir(tmp_path)
    arrays = mutations.originals()
    folder = tmp_path / "folder"
    folder.mkdir()
    write_idx_folder(folder, arrays, suffix=".gz")
    archive = tmp_path / "digits.npz"
    codes = {0: 0, 2: 0, 3: 0}
    for i in range(COUNTS["train"]):
        if i % 2:
            key, name = mutations.one_of(rng, list(zip(arrays, MNIST_NAMES, strict=True)))
            path, content = folder / f"{name}.gz", mutations.gzip_file(arrays[key], rng)
            told = data_set(**(arrays | {key: told_by_idx(content)}), plain=True)
            kept = path.read_bytes()
        else:
            path, content = archive, mutations.npz_file(arrays, rng, trap)
            found = told_by_npz(content, arrays)
            told, kept = found and data_set(**found), b""
        path.write_bytes(content)
        source = folder if i % 2 else archive
        code = call("train", "--data", source, "--model", "linear", "--epochs", 1, "--out",
                    f"out{i}", "--threads", 1)  # fmt: skip
        if code == 0:
            assert told is not None
        else:
            assert not Path(f"out{i}").exists()
        codes[code] += 1
        path.write_bytes(kept)
    assert sum(codes.values()) == COUNTS["train"]
    assert codes[0] > 50, codes
    assert codes[3] > 150, codes


# Files that are no files


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


KINDS = ("folder", "pipe", "socket", "loop", "nowhere", "device", "empty")
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


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
    arrays = mutations.originals()
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
    config = runs.read_config(run)
    for name, read in {
        "params.npz": lambda: fcnn.load_run(run),
        "metrics.json": lambda: runs.read_metrics(run),
        "history.csv": lambda: runs.read_history(run, config),
        "config.json": lambda: fcnn.load_run(run),
    }.items():
        not_a_file(kind, run / name)
        with pytest.raises(runs.RunError):
            read()
    assert call("evaluate", run) == 2
    with pytest.raises((ValueError, FileNotFoundError)):
        tree.load(run / "params.npz", ())


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


NAMES = ("~nobody-here/digits.npz", "~nobody-here/digits", "x" * 5000, "x" * 5000 + ".npz",
         "a/" * 3000, "a\0b/c", "a\0b.npz", "\udcff/\udcff.npz", "\ud800.npz", "\ud800/a",
         "digits.npz/a", "//", "\x1b[2J/", "con", " ", "/dev/zero", "/dev/null", "loop.npz",
         "loop/loop", "loop.npz/a.npz")  # fmt: skip


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
    with pytest.raises(runs.RunError):
        fcnn.load_run(name)
    for model in (f"{name}:f", f"{name}.py:f"):
        with pytest.raises(ValueError, match=r"model|null|surrogates"):
            fcnn.runs.model_by_name.model(model, 3)
    if "\0" not in name and "\ud800" not in name:  # which no command line can have
        assert call("train", "--data", name) in (2, 3)
        assert call("train", "--data", "synthetic", "--model", f"{name}:f") == 2
        assert call("evaluate", name) == 2
        monkeypatch.setenv("FCNN_DATA_DIR", name)
        assert call("train", "--data", "mnist") == 3
        assert CliRunner().invoke(app, ["data"]).exception is None


# Small files that would be large

LIMIT = 30 << 20


def peak(function, *arguments):
    """How much memory a call that must fail took at most."""
    tracemalloc.start()
    try:
        with pytest.raises((data.DataError, ValueError)):
            function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content", [mutations.idx_bomb(), mutations.idx_lie(3), mutations.idx_lie(2)]
)
def test_memory_for_idx_files_is_what_is_there(tmp_path, content):
    folder = write_idx_folder(tmp_path)
    (folder / MNIST_NAMES[0]).write_bytes(content)
    assert peak(data.load, folder) < LIMIT


SIZES = [(10**9,), (10**12,), (6, 10**6, 10**6), (0, 10**18), (2**61,)]


@pytest.mark.parametrize("shape", SIZES)
def test_memory_for_archives_is_what_is_there(tmp_path, run, shape):
    path = tmp_path / "digits.npz"
    path.write_bytes(mutations.npz_promise(mutations.originals(), shape))
    assert peak(data.load, path) < LIMIT
    like = {"['w']": np.zeros(shape if math.prod(shape) == 0 else 3, np.float32)}
    path.write_bytes(mutations.npz_promise(like, shape))
    assert peak(tree.load, path, {"w": np.zeros(3, np.float32)}) < LIMIT


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_that_expand_without_limit_are_refused(tmp_path, method):
    path = tmp_path / "digits.npz"
    path.write_bytes(mutations.npz_zeros(mutations.originals(), 64 << 20, method))
    assert path.stat().st_size < 20_000
    assert peak(data.load, path) < LIMIT
    assert peak(tree.load, path, ()) < LIMIT


def test_arrays_that_share_their_bytes_are_refused(tmp_path):
    path = tmp_path / "params.npz"
    path.write_bytes(mutations.npz_overlapping(200, 1 << 20))
    assert path.stat().st_size < 20_000
    with np.load(path) as archive:  # 200 MB, all readable
        assert archive["z199"].size == 1 << 20
    like = {f"z{i:03}": np.zeros(1 << 20, np.uint8) for i in range(3)}
    assert peak(tree.load, path, like) < LIMIT


@pytest.mark.parametrize(
    "changes",
    [{"in_shape": [1, 99999, 9999]}, {"in_shape": [10**30, 4, 5]},
     {"classes": 10**8, "network": "chain(flatten, dense(100000000))"},
     {"classes": 10**30, "network": f"chain(flatten, dense({10**30}))"},
     {"model": "mnist_cnn", "in_shape": [1, 10**4, 10**4],
      "network": repr(fcnn.models.mnist_cnn(3))}],
)  # fmt: skip
def test_memory_for_a_run_is_that_of_its_parameters(run, changes):
    config = json.loads((run / "config.json").read_bytes())
    (run / "config.json").write_text(json.dumps(config | changes))
    assert peak(fcnn.load_run, run) < LIMIT
    with pytest.raises(
        runs.RunError, match=r"would not fit into its file|features is 10+, expected at most"
    ):
        fcnn.load_run(run)


def test_memory_for_a_checkpoint_is_that_of_its_parameters(tmp_path):
    path = tmp_path / "checkpoint.npz"
    shape = np.array([1, 9999, 9999])
    np.savez(path, **{"['fcnn_checkpoint']": np.array(1), "['in_shape']": shape})
    optimizer = fcnn.sgd(0.1)
    assert peak(fcnn.load_checkpoint, path, fcnn.models.mnist_cnn(), optimizer) < LIMIT
    with pytest.raises(ValueError, match="would not fit into its file"):
        fcnn.load_checkpoint(path, fcnn.models.mnist_cnn(), optimizer)


@pytest.mark.parametrize("label", [1000, 10**6, 2**62])
def test_a_label_does_not_decide_how_much_memory_a_network_takes(tmp_path, label):
    arrays = mutations.originals()
    arrays["y_test"] = np.array([0, 1, label])
    np.savez(tmp_path / "digits.npz", **arrays)
    with pytest.raises(data.DataError, match=f"a label is {label}, but .* 1,000 at most"):
        data.load(tmp_path / "digits.npz")
    arrays["y_test"] = np.array([0, 1, 999])
    np.savez(tmp_path / "digits.npz", **arrays)
    assert data.number_of_classes(data.load(tmp_path / "digits.npz")) == 1000


# What once failed


def replay(path, tmp_path, run):
    """A file of the corpus, through the reader that its name begins with."""
    reader, content = path.name.split("-")[0], path.read_bytes()
    if reader == "idx":
        folder = write_idx_folder(tmp_path)
        (folder / MNIST_NAMES[0]).write_bytes(content)
        return data.load(folder)
    if reader == "npz":
        (tmp_path / "digits.npz").write_bytes(content)
        return data.load(tmp_path / "digits.npz")
    if reader == "tree":
        (tmp_path / "params.npz").write_bytes(content)
        return tree.load(tmp_path / "params.npz", {"w": np.ones((3, 2), np.float32)})
    if reader == "config":
        whole = json.loads((run / "config.json").read_bytes())
        (run / "config.json").write_bytes(content.replace(b"DATA", whole["data"].encode()))
        return fcnn.load_run(run)
    assert reader == "checkpoint", path.name
    (tmp_path / "checkpoint.npz").write_bytes(content)
    return fcnn.load_checkpoint(tmp_path / "checkpoint.npz", fcnn.models.linear(3), fcnn.sgd(0.1))


def test_the_corpus_is_there():
    assert len(list(CORPUS.iterdir())) >= 19
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < 100_000


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_what_once_failed_is_refused(tmp_path, run, path):
    """Clearly, in little memory, and without a word beside the error (warnings are errors)."""
    tracemalloc.start()
    try:
        with pytest.raises((data.DataError, ValueError)) as caught:
            replay(path, tmp_path, run)
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()
    assert 20 < len(str(caught.value)) < 1000
    assert "MemoryError" not in str(caught.value)
