"""Small files that would be large: memory is what is really there."""

import json
import math
import zipfile

import mutations
import numpy as np
import pytest
from idx_files import MNIST_NAMES, small_arrays, write_idx_folder
from verdicts import LIMIT, peak

import fcnn
from fcnn import data, tree
from fcnn.networks.documents import document
from fcnn.runs.config import RunError

SIZES = [(10**9,), (10**12,), (6, 10**6, 10**6), (0, 10**18), (2**61,)]


@pytest.mark.parametrize(
    "content", [mutations.idx_bomb(), mutations.idx_lie(3), mutations.idx_lie(2)]
)
def test_memory_for_idx_files_is_what_is_there(tmp_path, content):
    folder = write_idx_folder(tmp_path)
    (folder / MNIST_NAMES[0]).write_bytes(content)
    assert peak(data.load, folder) < LIMIT


@pytest.mark.parametrize("shape", SIZES)
def test_memory_for_archives_is_what_is_there(tmp_path, run, shape):
    path = tmp_path / "digits.npz"
    path.write_bytes(mutations.npz_promise(small_arrays(), shape))
    assert peak(data.load, path) < LIMIT
    like = {"['w']": np.zeros(shape if math.prod(shape) == 0 else 3, np.float32)}
    path.write_bytes(mutations.npz_promise(like, shape))
    assert peak(tree.load, path, {"w": np.zeros(3, np.float32)}) < LIMIT


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_that_expand_without_limit_are_refused(tmp_path, method):
    path = tmp_path / "digits.npz"
    path.write_bytes(mutations.npz_zeros(small_arrays(), 64 << 20, method))
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


ZEROS = np.zeros(64 << 20, np.uint8)  # which deflate to a thousandth


def with_zeros(path, place, zeros=ZEROS):
    """The archive with zeros at a place, all compressed."""
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez_compressed(path, **{**arrays, place: zeros})


@pytest.mark.parametrize("place", ["['w']", "['more']"])
def test_an_array_that_does_not_belong_to_a_tree_is_not_expanded(tmp_path, place):
    path, like = tmp_path / "params.npz", {"w": np.zeros(3, np.float32)}
    tree.save(path, like)
    with_zeros(path, place)
    assert path.stat().st_size < 200_000
    assert peak(tree.load, path, like) < LIMIT
    text = r"\['w'\]: uint8\[67108864\], expected" if place == "['w']" else "not expected"
    with pytest.raises(ValueError, match=text):
        tree.load(path, like)


@pytest.mark.parametrize(
    ("place", "zeros"),
    [("['more']", ZEROS), ("['epoch']", ZEROS), ("['fcnn_checkpoint']", ZEROS),
     ("['in_shape']", ZEROS.view(np.int64))],
)  # fmt: skip
def test_an_array_that_does_not_belong_to_a_checkpoint_is_not_expanded(tmp_path, place, zeros):
    path, (model, optimizer) = tmp_path / "c.npz", (fcnn.models.linear(3), fcnn.sgd(0.1))
    params, _ = model.init(np.random.default_rng(0), (1, 4, 5))
    train = np.ones((6, 1, 4, 5), np.float32), np.arange(6) % 3
    settings = {"epochs": 1, "batch_size": 6, "seed": 0}
    [record] = fcnn.fit(model, params, optimizer, train, **settings)
    fcnn.save_checkpoint(path, record)
    with_zeros(path, place, zeros)
    assert peak(fcnn.load_checkpoint, path, model, optimizer) < LIMIT


def test_an_array_that_does_not_belong_to_a_run_is_not_expanded(run):
    with_zeros(run / "params.npz", "more")
    assert peak(fcnn.load_run, run) < LIMIT


@pytest.mark.parametrize(
    "changes",
    [{"in_shape": [1, 99999, 9999]}, {"in_shape": [10**30, 4, 5]},
     {"classes": 10**8, "network": "chain(flatten, dense(100000000))", "document": None},
     {"classes": 10**30, "network": f"chain(flatten, dense({10**30}))", "document": None},
     {"model": "mnist_cnn", "in_shape": [1, 10**4, 10**4],
      "network": repr(fcnn.models.mnist_cnn(3)), "document": None},
     {"classes": 10**8, "network": "chain(flatten, dense(100000000))",
      "document": document(fcnn.models.linear(10**8))},
     {"model": "/gone.py:net", "in_shape": [1, 10**4, 10**4],
      "network": repr(fcnn.models.mnist_cnn(3)), "document": document(fcnn.models.mnist_cnn(3))}],
)  # fmt: skip
def test_memory_for_a_run_is_that_of_its_parameters(run, changes):
    config = json.loads((run / "config.json").read_bytes())
    (run / "config.json").write_text(json.dumps(config | changes))
    assert peak(fcnn.load_run, run) < LIMIT
    with pytest.raises(
        RunError, match=r"would not fit into its file|features is 10+, expected at most"
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
    arrays = small_arrays()
    arrays["y_test"] = np.array([0, 1, label])
    np.savez(tmp_path / "digits.npz", **arrays)
    with pytest.raises(data.DataError, match=f"a label is {label}, but .* 1,000 at most"):
        data.load(tmp_path / "digits.npz")
    arrays["y_test"] = np.array([0, 1, 999])
    np.savez(tmp_path / "digits.npz", **arrays)
    assert data.number_of_classes(data.load(tmp_path / "digits.npz")) == 1000


RELU = '{"layer": "relu"}'


def text_of(**changed):
    """What a file of the linear model would say, with other values, each as JSON."""
    about = {
        "format": "1", "fcnn": '"0"', "network": RELU, "in_shape": "[1, 4, 5]", "labels": "null",
        "preparation": "null",
    } | changed  # fmt: skip
    return "{" + ", ".join(f'"{key}": {value}' for key, value in about.items()) + "}"


def chain_of(*layers):
    return f'{{"layer": "chain", "children": [{", ".join(layers)}]}}'


def dense(features):
    return f'{{"layer": "dense", "settings": {{"features": {features}}}}}'


LONG = "is <U.*, expected one text of at most 500,000 characters"
TEXTS = {
    "a million layers": (text_of(network=chain_of(*[RELU] * 10**6)), LONG),
    "zeros": (np.zeros((), "U16777216"), LONG),
    "many texts": (np.zeros(10**7, "U1"), LONG),
    "as many layers as there may be": (
        text_of(network=chain_of(*[RELU] * 25_000, dense(3))), "expects vectors"),
    "objects": (text_of(network="[" + "{}," * 160_000 + "{}]"), "it is no layer of a document"),
    "lists": (text_of(network="[" * 240_000), "nested too deeply"),
    "nested": (text_of(network='{"a":' * 90_000), "nested too deeply"),
    "networks in networks": (
        text_of(network=chain_of('{"layer": "residual", "children": [' * 300 + RELU + "]}" * 300)),
        "nested too deeply"),
    "names": (text_of(network=f'{{"layer": "{"relu" * 100_000}"}}'), "unknown layer 'relurelu"),
    "a nest to make": (
        text_of(network='{"layer": "chain", "children": [' * 200 + RELU + "]}" * 200),
        "the network is nested too deeply"),
    "an image": (text_of(in_shape=f"[{10**12}]"), "expected at most 2,147,483,647 numbers"),
    "sizes": (
        text_of(in_shape=f"[{', '.join(['9999'] * 50_000)}]"),
        "in_shape is a tuple, expected at most",
    ),
    "no sizes": (text_of(in_shape="[0, 4, 5]"), "expected sizes of at least 1"),
    "features": (text_of(network=dense(10**9), in_shape="[4]"), "would not fit into its file"),
    "features without end": (text_of(network=dense(10**30)), "features is 10+, expected at most"),
    "many layers of some features": (
        text_of(network=chain_of(*[dense(200)] * 9000), in_shape="[1000]"),
        "would not fit into its file"),
    "many channels": (
        text_of(network='{"layer": "batch_norm"}', in_shape=f"[{10**9}]"),
        "would not fit into its file"),
    "labels": (
        text_of(labels=json.dumps([f"{i}" for i in range(40_000)])), "there are 40000 labels"),
    "a number": (text_of(fcnn="9" * 400_000), "integer string"),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_memory_for_a_model_is_what_its_file_allows(model_file, name):
    text, told = TEXTS[name]
    with_zeros(model_file, "network", np.array(text))
    assert peak(fcnn.load_model, model_file) < LIMIT
    with pytest.raises(ValueError, match=rf"^load_model: {model_file}: .*{told}") as caught:
        fcnn.load_model(model_file)
    assert len(str(caught.value)) < 1200


@pytest.mark.parametrize("place", ["[1].w", "[9].w"])
def test_an_array_that_does_not_belong_to_a_model_is_not_expanded(model_file, place):
    with_zeros(model_file, place)
    assert peak(fcnn.load_model, model_file) < LIMIT
