"""What tests of damaged files need: memory that is limited, a trap, a run to damage."""

import os
import sys
import tempfile
from pathlib import Path

import mutations
import numpy as np
import pytest
from idx_files import small_arrays

import fcnn
from fcnn import data, tree
from fcnn.networks.documents import document
from fcnn.runs.config import Config, write_config
from fcnn.runs.initial_parameters import initial_parameters

MOST_MEMORY = 256 << 20


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


@pytest.fixture
def trap(tmp_path):
    """What creates a file when it is unpickled; it must never be there."""
    path = tmp_path / "executed"
    yield mutations.Creates(path)
    assert not path.exists()


@pytest.fixture
def run(tmp_path):
    """The folder of a run of the linear model on the small data set, which lies beside it."""
    np.savez(tmp_path / "digits.npz", **small_arrays())
    dataset = data.load(tmp_path / "digits.npz")
    config = Config(
        data=str(tmp_path / "digits.npz"),
        model="linear",
        network=repr(fcnn.models.linear(3)),
        document=document(fcnn.models.linear(3)),
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
    write_config(folder, config)
    params = initial_parameters(fcnn.models.linear(3), config)
    tree.save(folder / "params.npz", params)
    return folder


@pytest.fixture
def model_file(tmp_path):
    """A file of save_model: the linear model of the small data set."""
    path, model = tmp_path / "model.npz", fcnn.models.linear(3)
    params, _ = model.init(np.random.default_rng(0), (1, 4, 5))
    fcnn.save_model(path, model, params, (1, 4, 5), labels=["a", "b", "c"])
    return path
