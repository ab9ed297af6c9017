"""Damaged and lying configs of runs: loaded as they say, or refused by the key that is wrong."""

import contextlib
import itertools
import json
import os
import sys
from pathlib import Path

import mutations
import numpy as np
import pytest
from effort import some
from verdicts import Verdicts, limited

import fcnn
from fcnn.networks.documents import document
from fcnn.runs.config import RunError, read_config

DOCUMENT = document(fcnn.models.linear(3))
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
    "init": lambda v: v is None or (isinstance(v, str) and v != ""),
    "init_hash": lambda v: v is None or (isinstance(v, str) and v != ""),
    "format": lambda v: type(v) is int and 1 <= v <= 6,
    "document": lambda v: v is None or v == DOCUMENT,
    "average_decay": lambda v: type(v) in (int, float) and 0 <= v < 1,
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
    "image_size": lambda v: v is None or (type(v) is int and v >= 1),
    "labels": lambda v: v is None or is_names(v),
    "preparation": lambda v: v in (None, "mnist"),
    "freeze": lambda v: type(v) is list and all(isinstance(text, str) and text for text in v),
}
# What older formats did not have, and what it is in them.
LATER = {
    "data_hash": (2, None), "optimizer": (3, "sgd"), "weight_decay": (3, 0.0),
    "schedule": (3, "constant"), "label_smoothing": (3, 0.0), "augmentation": (3, {}),
    "validation_fraction": (3, 0.0), "patience": (3, None), "freeze": (4, []),
    "init": (4, None), "init_hash": (4, None),
    "image_size": (4, None), "labels": (4, None), "preparation": (4, None),
    "document": (5, None), "average_decay": (6, 0.0), "versions": (7, None),
}  # fmt: skip


def is_names(value):
    """Whether it may name the three classes of the run."""
    if type(value) is not list or not all(isinstance(text, str) for text in value):
        return False
    return len({*value}) == len(value) == 3 and all(text and text.isprintable() for text in value)


def without_repeats(pairs):
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def told_by_config(content, whole, run):
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
    misfits = [key for key in MISFITS if found[key] != whole[key]]
    by_document = ":" in found["model"] and found.get("document") is not None
    if misfits != (["model"] if by_document else []):
        return None
    told = {key: default for key, (_, default) in LATER.items()} | found
    for name in ("data", "init"):
        if told[name] is not None and told[name].startswith(("./", "../")):  # from the run's folder
            told[name] = os.path.normpath(Path(run.resolve(), told[name]))
    return {key: value for key, value in told.items() if key not in ("format", "versions")}


def settings_of(run):
    return run.config.plain()


@pytest.mark.heavy
@limited
def test_configs(tmp_path, run):
    """Each key with each value, each key missing, and other damage to config.json."""
    rng = np.random.default_rng(6)
    path = run / "config.json"
    whole = json.loads(path.read_bytes())
    verdicts = Verdicts("config")
    with_each_value = [
        (key, mutations.with_value(whole, key, value))
        for key, value in itertools.product(whole, mutations.VALUES)
    ]
    without_each = []
    for key in whole:
        left = {name: value for name, value in whole.items() if name != key}
        without_each.append((key, json.dumps(left).encode()))
    files = some(with_each_value) + without_each
    files += [(None, mutations.json_file(whole, rng)) for _ in range(verdicts.count - len(files))]
    for key, content in files:
        path.write_bytes(content)
        verdicts.judge(
            content,
            lambda: settings_of(fcnn.load_run(run)),
            lambda content=content: told_by_config(content, whole, run),
            RunError,
        )
        if key is None or key == "versions":
            continue
        # What is wrong with one key is told by its name.
        with contextlib.suppress(Exception):
            value = json.loads(content).get(key)
            if not WELL_FORMED[key](value) and not (key == "data_hash" and value is None):
                with pytest.raises(RunError, match=key):
                    read_config(run)
    verdicts.close(at_least=100)
