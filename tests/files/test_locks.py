"""A lock on a folder, whatever becomes of the file that it is on."""

import subprocess
import sys

import pytest

from fcnn.files import locks

ANOTHER = """
import pathlib, sys
from fcnn.files.locks import LockedError, only_process_in
try:
    with only_process_in(pathlib.Path(sys.argv[1])):
        print("free")
except LockedError:
    print("locked")
"""


def seen_by_another_process(folder):
    command = [sys.executable, "-c", ANOTHER, str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_another_process_is_kept_out_until_the_block_ends(tmp_path):
    with locks.only_process_in(tmp_path):
        assert seen_by_another_process(tmp_path) == "locked"
    assert seen_by_another_process(tmp_path) == "free"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("anew", [True, False])
def test_a_file_that_is_replaced_between_opening_and_locking_is_not_the_lock(
    tmp_path, monkeypatch, anew
):
    """Its last owner removes it, and the next one has made another, or is about to."""
    lock, times = locks._lock, []

    def replace_and_lock(descriptor):
        times.append(descriptor)
        if len(times) == 1:
            path = tmp_path / locks.LOCK
            path.unlink()
            if anew:
                path.touch()
        lock(descriptor)

    monkeypatch.setattr(locks, "_lock", replace_and_lock)
    with locks.only_process_in(tmp_path):
        assert len(times) == 2
        assert seen_by_another_process(tmp_path) == "locked"
    assert list(tmp_path.iterdir()) == []
