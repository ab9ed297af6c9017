"""The page on many processes keeps its word: its programs run, and print what it says."""

import doctest
import re

import pages

PAGE = pages.ROOT / "docs" / "how_to" / "many_processes.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text("utf-8"), flags=re.DOTALL | re.M)
TRAINS, SHARES_OUT, SESSION, DISAGREES = [code for kind, code in BLOCKS if kind == "python"]
_, TRAINED, SHARED_OUT, DISAGREED = [shown for kind, shown in BLOCKS if kind == "text"]


def test_the_program_prints_the_same_in_any_number_of_processes(launch):
    printed = []
    for count in (2, 1):
        code, out, err = launch(count, TRAINS + SHARES_OUT)
        assert (code, err) == (0, "")
        assert SHARED_OUT in out
        printed += out.replace(SHARED_OUT, "").splitlines()
    assert len({line.partition(": ")[2] for line in printed}) == 1
    assert {_without_hash(line) for line in printed} == {
        _without_hash(line) for line in TRAINED.splitlines()
    }


def test_processes_that_differ_are_told_as_the_page_says(launch):
    code, out, err = launch(2, DISAGREES)
    assert (code, out) == (1, "")
    assert DISAGREED in err


def test_the_order_of_additions_shows():
    session = doctest.DocTestParser().get_doctest(SESSION, {}, PAGE.name, str(PAGE), 0)
    assert doctest.DocTestRunner().run(session).failed == 0


def _without_hash(line):
    return line.rpartition(", ")[0]
