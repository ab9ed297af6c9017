"""Checkpoints: what is written is read again, bit for bit, and nothing else is."""

import os
import pathlib
import pickle

import attrs
import numpy as np
import pytest

import fcnn
from fcnn import tree

(X, LABELS), _ = fcnn.data.synthetic_lines(seed=0)
TRAIN = X[:150], LABELS[:150]
TEST, VALIDATION = (X[150:200], LABELS[150:200]), (X[200:250], LABELS[200:250])
MODEL = fcnn.models.lines_cnn()
OPTIMIZER = fcnn.sgd(0.01, momentum=0.9)


def fit(epochs=2, dtype=np.float32, test=TEST, validation=None, **settings):
    params, _ = MODEL.init(np.random.default_rng(0), (1, 14, 14))
    params = tree.map(lambda p: p.astype(dtype), params)
    train = TRAIN[0].astype(dtype), TRAIN[1]
    held_out = {
        name: pair and (pair[0].astype(dtype), pair[1])
        for name, pair in (("test", test), ("validation", validation))
    }
    return list(
        fcnn.fit(
            MODEL, params, OPTIMIZER, train, epochs=epochs, batch_size=60, seed=0,
            **held_out, **settings,
        )
    )  # fmt: skip


def content(record):
    return attrs.asdict(attrs.evolve(record, seconds=0.0), recurse=False)


@pytest.fixture(scope="module")
def records():
    return fit(4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "held_out", [(TEST, None), (None, VALIDATION), (TEST, VALIDATION), (None, None)]
)
def test_a_record_comes_back_bit_for_bit_and_training_goes_on(tmp_path, dtype, held_out):
    whole = fit(3, dtype, *held_out)
    fcnn.save_checkpoint(tmp_path / "c.npz", whole[0])
    start = fcnn.load_checkpoint(tmp_path / "c.npz", MODEL, OPTIMIZER)
    assert tree.equal(attrs.asdict(start, recurse=False), attrs.asdict(whole[0], recurse=False))
    assert type(start.train_loss) is float
    assert all(not leaf.flags.writeable for leaf in tree.leaves((start.params, start.state)))
    rest = fit(3, dtype, *held_out, start=start)
    for again, record in zip(rest, whole[1:], strict=True):
        assert tree.equal(content(again), content(record))


def test_a_checkpoint_takes_the_place_of_the_one_before(tmp_path, records):
    path = tmp_path / "c.npz"
    for record in records:
        fcnn.save_checkpoint(path, record)
        assert fcnn.load_checkpoint(path, MODEL, OPTIMIZER).epoch == record.epoch
        assert os.listdir(tmp_path) == ["c.npz"]


def test_checkpoints_of_the_first_format_are_read(tmp_path, records):
    path = tmp_path / "c.npz"
    fcnn.save_checkpoint(path, records[0])
    archive(path, **{"['fcnn_checkpoint']": 1})  # which had all else, and no validation set
    read = fcnn.load_checkpoint(path, MODEL, OPTIMIZER)
    assert tree.equal(content(read), content(records[0]))
    assert read.test_loss == records[0].test_loss
    assert read.validation_loss is read.validation_accuracy is None


@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_what_fails_while_writing_leaves_the_last_one(tmp_path, records, moment, monkeypatch):
    path = tmp_path / "c.npz"
    fcnn.save_checkpoint(path, records[0])

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    target = {"write": (np, "savez"), "fsync": (os, "fsync"), "replace": (os, "replace")}[moment]
    monkeypatch.setattr(*target, fail)
    if moment == "replace":
        monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match=r"cannot write .*c\.npz: No space left on device") as error:
        fcnn.save_checkpoint(path, records[1])
    assert error.value.errno == 28
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["c.npz"]
    assert fcnn.load_checkpoint(path, MODEL, OPTIMIZER).epoch == 1


def test_files_are_flushed_before_they_take_their_place(tmp_path, records, monkeypatch):
    order = []
    fsync, replace = os.fsync, pathlib.Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: order.append("fsync") or fsync(descriptor))
    monkeypatch.setattr(
        pathlib.Path, "replace", lambda old, new: order.append("rename") or replace(old, new)
    )
    fcnn.save_checkpoint(tmp_path / "c.npz", records[0])
    assert order[:2] == ["fsync", "rename"]


def test_every_cut_and_every_flipped_byte_is_noticed_or_harmless(tmp_path, records):
    path, broken = tmp_path / "c.npz", tmp_path / "broken.npz"
    fcnn.save_checkpoint(path, records[0])
    good = fcnn.load_checkpoint(path, MODEL, OPTIMIZER)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for i in range(300):
        if i % 3 == 0:
            changed = data[: rng.integers(len(data))]
        else:
            changed = bytearray(data)
            changed[rng.integers(len(data))] ^= 1 << rng.integers(8)
        broken.write_bytes(changed)
        try:
            found = fcnn.load_checkpoint(broken, MODEL, OPTIMIZER)
        except ValueError:
            refused += 1
        else:
            assert tree.equal(content(found), content(good))
    assert refused > 200


def archive(path, **changes):
    """A checkpoint with some entries changed, or left out where they are None."""
    with np.load(path) as found:
        entries = {name: found[name] for name in found.files}
    entries |= {name: np.asarray(value) for name, value in changes.items() if value is not None}
    for name, value in changes.items():
        if value is None:
            del entries[name]
    np.savez(path, **entries)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"['fcnn_checkpoint']": None}, "is not a checkpoint of fcnn"),
        ({"['fcnn_checkpoint']": 1.5}, "is not a checkpoint of fcnn"),
        ({"['fcnn_checkpoint']": 3}, "has format 3; this version of fcnn reads up to 2"),
        ({"['epoch']": None}, r"\['epoch'\]: missing in the file"),
        ({"['epoch']": 0}, r"\['epoch'\] is 0"),
        ({"['epoch']": 1.5}, r"\['epoch'\]: float64\[\], expected int64\[\]"),
        ({"['train_loss']": [1.0]}, r"\['train_loss'\]: float64\[1\], expected float64\[\]"),
        ({"['in_shape']": None}, r"\['in_shape'\] is not the shape of an example"),
        ({"['in_shape']": [1.0]}, r"\['in_shape'\] is not the shape of an example"),
        ({"['in_shape']": [1, 2, 2]}, "is not of this model: max_pool2d"),
        ({"['params'][0].w": None}, r"\['params'\]\[0\].w: missing in the file"),
        ({"['params'][0].w": np.zeros(3)}, r"\['params'\]\[0\].w: float64\[3\], expected"),
        ({"['params'][0].w": np.zeros((8, 1, 3, 3), int)}, r"\['params'\]\[0\].w: int64"),
        ({"['state'].steps": 1.0}, r"\['state'\].steps: float64\[\], expected int64\[\]"),
        ({"['state'].more": 1.0}, r"\['state'\].more: not expected"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path, records, changes, text):
    path = tmp_path / "c.npz"
    fcnn.save_checkpoint(path, records[0])
    archive(path, **changes)
    with pytest.raises(ValueError, match=text) as error:
        fcnn.load_checkpoint(path, MODEL, OPTIMIZER)
    assert str(path) in str(error.value)


def test_of_another_model_or_optimizer_it_is_refused(tmp_path, records):
    path = tmp_path / "c.npz"
    fcnn.save_checkpoint(path, records[0])
    with pytest.raises(ValueError, match=r"\['params'\]\[7\].w: float32\[144,32\], expected"):
        fcnn.load_checkpoint(path, fcnn.models.mnist_cnn(), OPTIMIZER)
    stateless = fcnn.Optimizer(lambda params: (), lambda params, grads, state: (params, state))
    with pytest.raises(ValueError, match=r"\['state'\].steps: not expected"):
        fcnn.load_checkpoint(path, MODEL, stateless)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_file_is_executed(tmp_path, records):
    path, mark = tmp_path / "c.npz", tmp_path / "executed"
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.exists()
    mark.rmdir()
    fcnn.save_checkpoint(path, records[0])
    archive(path, **{"['train_loss']": np.array(Bomb(mark), object)})
    with pytest.raises(ValueError, match=r"is not a readable \.npz file"):
        fcnn.load_checkpoint(path, MODEL, OPTIMIZER)
    path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(ValueError, match=r"is not a readable \.npz file"):
        fcnn.load_checkpoint(path, MODEL, OPTIMIZER)
    assert not mark.exists()


def test_wrong_arguments(tmp_path, records):
    with pytest.raises(TypeError, match="save_checkpoint: record is a tuple, expected an Epoch"):
        fcnn.save_checkpoint(tmp_path / "c.npz", ())
    with pytest.raises(ValueError, match="the record has no in_shape"):
        fcnn.save_checkpoint(tmp_path / "c.npz", attrs.evolve(records[0], in_shape=()))
    with pytest.raises(FileNotFoundError):
        fcnn.load_checkpoint(tmp_path / "nothing.npz", MODEL, OPTIMIZER)
