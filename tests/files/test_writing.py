"""Files that appear whole: what they leave when their process ends, and whose folder it is."""

import os
import shutil
from pathlib import Path

import pytest

from fcnn.files.locks import LOCK, only_process_in
from fcnn.files.writing import is_left_over, remove_left_overs, whole_file


@pytest.mark.usefixtures("elsewhere")
def test_what_an_ended_process_leaves_is_known_by_its_whole_name():
    with whole_file("config.json"):
        (left,) = Path().iterdir()
        assert is_left_over(left)


@pytest.mark.parametrize(
    "name", ["thesis.part", "a.1.part", "a.1-b.part", "a.1-2.part.txt", "a1-2.part", ".1-2.part"]
)
def test_a_file_of_another_name_is_the_users_and_stays(elsewhere, name):
    Path(name).write_text("mine")
    remove_left_overs(elsewhere)
    assert Path(name).read_text() == "mine"


@pytest.mark.parametrize(
    "make",
    [os.mkdir, os.mkfifo, lambda path: os.symlink("kept", path)],
    ids=["folder", "pipe", "link"],
)
def test_what_is_no_regular_file_is_the_users_and_stays(elsewhere, make):
    Path("kept").write_text("mine")
    make("params.npz.1-2.part")
    remove_left_overs(elsewhere)
    assert sorted(os.listdir()) == ["kept", "params.npz.1-2.part"]


def lock_deleted(folder):
    (folder / LOCK).unlink()


def lock_replaced(folder):
    (folder / LOCK).rename(folder / "other")
    (folder / LOCK).touch()


def folder_replaced(folder):
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / LOCK).touch()


@pytest.mark.parametrize("change", [lock_deleted, lock_replaced, folder_replaced])
def test_nothing_is_written_to_a_folder_that_is_no_longer_this_process_s_own(elsewhere, change):
    folder = Path("run")
    folder.mkdir()
    with only_process_in(folder):
        with whole_file(folder / "before") as file:
            file.write(b"mine")
        change(folder)
        then = sorted(os.listdir(folder))
        text = "^.*cannot write run/after: .lock in run was deleted or replaced, so another process"
        with pytest.raises(OSError, match=text), whole_file(folder / "after") as file:
            file.write(b"mine")
        assert sorted(os.listdir(folder)) == then
    assert sorted(os.listdir(folder)) == then  # a lock that is another's is not taken away
    with whole_file(folder / "later") as file:
        file.write(b"unlocked")
    assert (folder / "later").exists()


def test_a_folder_that_is_gone_is_told_as_such(elsewhere):
    folder = Path("run")
    folder.mkdir()
    with only_process_in(folder):
        shutil.rmtree(folder)
        with (
            pytest.raises(FileNotFoundError, match="cannot write run/a: No such"),
            whole_file("run/a"),
        ):
            pytest.fail("there is no place to write to")


@pytest.mark.usefixtures("elsewhere")
def test_a_file_does_not_take_the_place_of_a_pipe():
    os.mkfifo("pipe")
    with (
        pytest.raises(OSError, match="cannot write pipe: it is there already, and no regular file"),
        whole_file("pipe") as file,
    ):
        file.write(b"anything")
    assert Path("pipe").is_fifo()
    assert os.listdir() == ["pipe"]
