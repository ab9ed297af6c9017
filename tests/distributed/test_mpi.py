"""Without MPI, its world says what to install. What it does with MPI is tested in tests/mpi."""

import sys

import pytest

from fcnn.distributed import mpi_world
from fcnn.distributed.helper_processes import can_fork


def test_mpi_that_is_missing_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(RuntimeError, match=r"pip install 'fcnn\[mpi\]'"):
        mpi_world()


def test_beside_mpi_no_process_forks(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", None)
    assert not can_fork()
