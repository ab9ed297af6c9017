"""A lock on a folder, whatever becomes of the file that it is on."""

import os
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


def full(path):
    path.write_text("mine")


def link(path):
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, full, link])
def test_what_is_no_lock_is_refused_at_once_and_stays(tmp_path, make):
    path = tmp_path / locks.LOCK
    make(path)
    text = f"{path} is no lock of fcnn, expected an empty regular file or none"
    with pytest.raises(OSError, match=text), locks.only_process_in(tmp_path):
        pytest.fail("the folder was given away")
    assert os.listdir(tmp_path) == [locks.LOCK]


def test_a_process_is_kept_out_of_a_folder_that_it_has_locked_itself(tmp_path):
    with locks.only_process_in(tmp_path):
        text = "this process is at work in .* already"
        with pytest.raises(locks.LockedError, match=text), locks.only_process_in(tmp_path):
            pytest.fail("the folder was given away")
        assert seen_by_another_process(tmp_path) == "locked"
