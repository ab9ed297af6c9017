"""Models by name, and what is said of files of one's own that hold none."""

import py_compile
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fcnn
from fcnn.runs.model_by_name import MODELS, ModelError, absolute, model_by_name, telling_lines

HERE = """\
import sys, fcnn
from fcnn import chain, dense, flatten

class Stop(BaseException):
    pass
def small(classes):
    return chain(flatten, dense(classes))
def fixed():
    return chain(flatten, dense(7))
def nothing():
    return 3
def broken():
    return undefined
def stops():
    raise Stop("no further")
def leaves():
    sys.exit(5)
def interrupts():
    raise KeyboardInterrupt
"""


@pytest.fixture(autouse=True)
def mine():
    Path("mine.py").write_text(HERE)


@pytest.mark.parametrize("name", MODELS)
def test_the_models_of_fcnn_by_name(name):
    assert repr(model_by_name(name, 7)) == repr(getattr(fcnn.models, name)(classes=7))


def test_a_function_of_ones_own_is_given_the_classes_if_it_takes_them():
    assert repr(model_by_name("mine.py:small", 4)) == "chain(flatten, dense(4))"
    assert repr(model_by_name("mine.py:fixed", 4)) == "chain(flatten, dense(7))"
    before = list(sys.path)
    Path("beside.py").write_text("import fcnn\nlayer = fcnn.dense(2)\n")
    Path("mine.py").write_text("import beside\ndef model():\n    return beside.layer\n")
    assert repr(model_by_name("mine.py:model", 4)) == "dense(2)"
    assert sys.path == before


def test_a_name_means_the_same_from_any_folder():
    assert absolute("lenet5") == "lenet5"
    assert absolute("mine.py:small") == f"{Path('mine.py').resolve()}:small"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lenet", "unknown model 'lenet'; did you mean 'lenet5'.*, or FILE.py:FUNCTION"),
        ("other.py:small", "model: there is no file other.py"),
        ("mine.py:smal", "model: mine.py: unknown function 'smal'; did you mean 'small'"),
        ("mine.py:nothing", "model: mine.py:nothing returned an int, expected a Layer"),
        ("mine.py:broken", "model: NameError in line 13 of mine.py: name 'undefined' is not"),
        ("mine.py:stops", "model: Stop in line 15 of mine.py: no further"),
        ("mine.py:leaves", "model: SystemExit in line 17 of mine.py: 5"),
    ],
)
def test_what_is_wrong_with_a_model_is_told_in_one_line(name, text):
    with pytest.raises(ValueError, match=f"^{text}") as caught:
        model_by_name(name, 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"def small(:\n", "model: invalid syntax in line 1 of mine.py"),
        (b"import fcnn\n\0", "model: .*null bytes"),
        (b"\xff\xfe", "model: .*mine.py"),
        (b"import nowhere\n", "model: ModuleNotFoundError in line 1 of mine.py: No module named"),
        (b"import sys\nsys.exit(5)\n", "model: SystemExit in line 2 of mine.py: 5"),
        (b"raise SystemExit\n", "model: SystemExit in line 1 of mine.py$"),
        (b"(" * 300, "model: .*mine.py"),
        (b"-" * 1_000_000 + b"1", "model: .*mine.py is no Python: "),
    ],
)
def test_a_file_that_is_no_python_is_told_in_one_line(content, text):
    Path("mine.py").write_bytes(content)
    with pytest.raises(ModelError, match=f"^{text}") as caught:
        model_by_name("mine.py:small", 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["data.npz", "data.py"])
def test_an_archive_is_no_python_whatever_its_name_and_what_it_holds(name):
    np.savez("data.npz", x=np.zeros(3))
    with zipfile.ZipFile("data.npz", "a") as archive:
        archive.writestr("__main__.py", HERE)
    Path("data.npz").rename(name)
    with pytest.raises(ModelError, match=name):
        model_by_name(f"{name}:fixed", 3)


@pytest.mark.parametrize("name", ["mine.txt", "mine.pyc", "mine", "mine.py.npz"])
def test_a_file_of_python_has_a_name_that_ends_in_py(name):
    Path("mine.py").rename(name)
    with pytest.raises(ModelError, match=f"{name} is no Python: its name does not end in .py"):
        model_by_name(f"{name}:fixed", 3)


def test_a_compiled_file_is_no_python():
    py_compile.compile("mine.py", cfile="compiled.py")
    with pytest.raises(ModelError, match=r"compiled.py"):
        model_by_name("compiled.py:fixed", 3)


def test_what_a_file_defines_finds_its_module_while_it_is_made_and_leaves_none():
    Path("sized.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "import fcnn\n"
        "@dataclass\n"
        "class Size:\n"
        "    features: int = 5\n"
        "def sized():\n"
        "    return fcnn.dense(Size().features)\n"
    )
    assert repr(model_by_name("sized.py:sized", 3)) == "dense(5)"
    assert "sized" not in sys.modules


def test_ctrl_c_is_no_error_of_the_model():
    with pytest.raises(KeyboardInterrupt):
        model_by_name("mine.py:interrupts", 3)


def test_of_the_models_of_fcnn_what_they_refuse_is_told_and_mistakes_stay_what_they_are():
    with pytest.raises(ModelError, match=r"^refused$"), telling_lines("lenet5"):
        raise ValueError("refused")
    for error in (TypeError, KeyError, SystemExit, OSError):
        with pytest.raises(error), telling_lines("lenet5"):
            raise error
