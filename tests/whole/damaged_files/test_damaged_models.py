"""Damaged and lying files of save_model: the model is what they say, or they are refused."""

import io
import json
import zipfile

import mutations
import numpy as np
import pytest
from effort import some, times
from idx_files import small_arrays
from told import told_by_npz
from verdicts import COUNTS, REFUSALS, Verdicts, exit_code_of, limited, same

import fcnn
from fcnn import tree

PATHS = {"[1].w": (20, 3), "[1].b": (3,)}


def held_by(path):
    """The arrays of the file, and what its text says."""
    with np.load(path) as archive:
        arrays = dict(archive)
    return arrays, json.loads(arrays["network"].item())


def mutated(arrays, about, rng, trap):
    """The bytes of a file that lies in its text, or anywhere."""
    if rng.integers(2):
        return mutations.npz_file(arrays, rng, trap)
    text = mutations.json_file(about, rng).decode("latin1")
    members = {name: mutations.saved(array) for name, array in arrays.items()}
    members["network"] = mutations.saved(np.array(text))
    return mutations.archive((f"{name}.npy", content) for name, content in members.items())


def told_by_text(content):
    """What the text in a file says, by a reader of the test's own; None if it is not whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            [entry] = [e for e in archive.infolist() if e.filename in ("network", "network.npy")]
            stream = io.BytesIO(archive.read(entry))
        text = np.lib.format.read_array(stream, allow_pickle=False)
        assert (text.shape, text.dtype.kind, stream.read()) == ((), "U", b"")
        return json.loads(text.item(), object_pairs_hook=without_repeats)
    except Exception:
        return None


def without_repeats(pairs):
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def told_by_model(content, whole):
    """What the bytes of a file say of a model; None if they say nothing."""
    about, names = told_by_text(content), (*PATHS, "network")
    if not isinstance(about, dict) or about.keys() != whole.keys():
        return None
    labels, expected = about["labels"], ("format", "network", "in_shape")
    if any(repr(about[key]) != repr(whole[key]) for key in expected):
        return None
    if labels is not None and (type(labels) is not list or not are_names(labels)):
        return None
    if about["preparation"] not in (None, "mnist"):
        return None
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = sorted(entry.filename.removesuffix(".npy") for entry in archive.infolist())
    arrays = told_by_npz(content, PATHS) if found == sorted(names) else None
    if arrays is None:
        return None
    for name, shape in PATHS.items():
        if arrays[name].shape != shape or arrays[name].dtype not in (np.float32, np.float64):
            return None
    return {**arrays, "labels": labels and tuple(labels), "preparation": about["preparation"]}


def are_names(labels):
    if not all(isinstance(name, str) and name and name.isprintable() for name in labels):
        return False
    return 1 <= len({*labels}) == len(labels) <= 3


def loaded(path):
    found = fcnn.load_model(path)
    leaves = dict(tree.leaves_with_path(found.params))
    return {**leaves, "labels": found.labels, "preparation": found.preparation}


@pytest.mark.heavy
@limited
def test_models(model_file, trap):
    rng = np.random.default_rng(9)
    arrays, about = held_by(model_file)
    verdicts = Verdicts("model")
    for _ in range(verdicts.count):
        content = mutated(arrays, about, rng, trap)
        model_file.write_bytes(content)
        verdicts.judge(
            content,
            lambda: loaded(model_file),
            lambda content=content: told_by_model(content, about),
            ValueError,
            may_refuse=REFUSALS,
        )
    verdicts.close(at_least=150)


@pytest.mark.heavy
@limited
def test_every_byte_of_a_model_file(model_file):
    """Set to another value, wherever it is: the model of the file, or an error."""
    whole, (_, about) = model_file.read_bytes(), held_by(model_file)
    rng = np.random.default_rng(10)
    refused = []
    for place in some(range(len(whole))):
        content = bytearray(whole)
        content[place] ^= int(rng.integers(1, 256))
        model_file.write_bytes(content)
        try:
            found = loaded(model_file)
        except ValueError as error:
            refused.append(str(error))
        else:
            assert same(found, told_by_model(bytes(content), about)), place
    assert all(text.startswith(f"load_model: {model_file}") for text in refused)
    assert len(refused) > len(whole) // 20


@pytest.mark.heavy
@limited
def test_models_on_the_command_line(tmp_path, model_file, trap):
    rng = np.random.default_rng(11)
    np.savez(tmp_path / "digits.npz", **small_arrays())
    arrays, about = held_by(model_file)
    codes = {0: 0, 2: 0}
    for _ in range(times(COUNTS["evaluate"])):
        model_file.write_bytes(mutated(arrays, about, rng, trap))
        codes[exit_code_of("evaluate", model_file, "--data", tmp_path / "digits.npz")] += 1
    assert min(codes.values()) > times(20), codes
