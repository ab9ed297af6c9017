"""Damaged and lying trees and checkpoints: loaded as their bytes say, or refused."""

import mutations
import numpy as np
import pytest
from told import told_by_npz
from verdicts import REFUSALS, Verdicts, limited

import fcnn
from fcnn import tree


@pytest.mark.heavy
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

    for _ in range(verdicts.count):
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


@pytest.mark.heavy
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
        version = found.pop("['fcnn_checkpoint']")
        return found if held and version <= 2 else None

    for _ in range(verdicts.count):
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
    """A record as the tree that its file holds beside the mark of its format."""
    figures = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds")
    values = {name: np.array(getattr(record, name)) for name in figures}
    shape = np.array(record.in_shape, np.int64)
    return {**values, "in_shape": shape, "params": record.params, "state": record.state}
