"""Without MPI, its world says what to install. What it does with MPI is tested in tests/mpi."""

import sys
from types import SimpleNamespace

import pytest

from fcnn.distributed import mpi_world
from fcnn.distributed.helper_processes import can_fork


def test_mpi_that_is_missing_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(RuntimeError, match=r"pip install 'fcnn\[mpi\]'"):
        mpi_world()


def test_processes_that_another_mpi_has_started_are_told(monkeypatch):
    lonely = SimpleNamespace(
        COMM_WORLD=SimpleNamespace(size=1), Get_library_version=lambda: "MPICH Version: 5\nmore"
    )
    monkeypatch.setitem(sys.modules, "mpi4py", SimpleNamespace(MPI=lonely))
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "3")
    with pytest.raises(RuntimeError, match=r"3 processes .* none knows .*, MPICH Version: 5$"):
        mpi_world()


def test_beside_mpi_no_process_forks(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", None)
    assert not can_fork()
