"""The README and the book keep their word. Their blocks of Python are tests of their own: see
conftest.py.
"""

import re
import runpy
import tomllib
from pathlib import Path
from types import ModuleType

import from_source
import pytest
import typer

import fcnn
from fcnn.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BOOK = sorted(ROOT.glob("docs/**/*.md"))
DOCUMENTS = [*ROOT.glob("*.md"), *BOOK, ROOT / "benchmarks" / "README.md"]
NAMES = ROOT / "docs" / "reference" / "names"


def text_of(path):
    return path.read_text(encoding="utf-8")


def test_the_layer_of_the_tutorial_is_the_one_in_examples():
    example = text_of(ROOT / "examples" / "custom_layer.py")
    tutorial = text_of(ROOT / "docs" / "tutorial" / "5_a_layer_of_ones_own.md")
    for line in ("return GainParams(g=np.ones(in_shape[0], np.float32)), in_shape",
                 "return x * params.g[:, None, None], (params, x)",
                 ", dy * params.g[:, None, None]\n"):  # fmt: skip
        assert line in example
        assert line in tutorial


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 140


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text_of(path)):
        target = (path.parent / link.replace("\\", "")).resolve()
        assert target.exists(), link
        if path in BOOK:  # in there, other files can be had, but no folders and no other pages
            assert target in BOOK or (target.is_file() and target.suffix != ".md"), link


def test_extras_exist():
    extras = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]["optional-dependencies"]
    for names in re.findall(r"\.\[([\w,]+)\]", "".join(map(text_of, DOCUMENTS))):
        assert set(names.split(",")) <= extras.keys()


def test_commands_and_their_options_exist():
    commands = typer.main.get_command(app).commands
    blocks = re.findall(r"```sh\n(.*?)```", "".join(map(text_of, DOCUMENTS)), flags=re.DOTALL)
    lines = re.findall(r"^(?:.* )?fcnn (\w+)(.*)$", "".join(blocks), flags=re.MULTILINE)
    assert {command for command, _ in lines} >= {"train", "predict", "verify"}
    for command, rest in lines:
        known = {name for option in commands[command].params for name in option.opts}
        assert set(re.findall(r"--[a-z-]+", rest.split("#")[0])) <= known, (command, rest)


def test_figures_of_parameters_are_right():
    for name in ("linear", "mnist_cnn", "deep_cnn", "deep_cnn_small", "tiny_cnn"):
        params, _ = getattr(fcnn.models, name)().init(
            fcnn.numerics.random_streams.generator(0, fcnn.numerics.random_streams.PARAMETERS),
            (1, 28, 28),
        )
        count = sum(leaf.size for leaf in fcnn.tree.leaves(params))
        assert f"| `{name}` | {count:,} |" in README


def test_every_public_name_is_in_the_reference():
    rooms = from_source.rooms()
    for room in rooms:
        assert f"{{from-source}} public_names {room}\n" in text_of(NAMES / f"{room}.md")
    found = {name for names in rooms.values() for name in names}
    public = {name for name in fcnn.__all__ if not isinstance(getattr(fcnn, name), ModuleType)}
    assert {f"fcnn.{name}" for name in public - {"__version__"}} <= found
    of_rooms = constant("test_contract.py", "NAMES_OF_ROOMS")
    assert {f"fcnn.{room}.{name}" for room in of_rooms for name in of_rooms[room]} <= found


def test_every_command_is_in_the_reference():
    written = from_source.command_line()
    for command in typer.main.get_command(app).commands:
        assert f"## fcnn {command}\n" in written


def test_every_room_is_in_the_drawing():
    drawn = re.findall(r'class="room"[^>]*>(\w+)<', from_source.house())
    rooms = [room for line in constant("test_architecture.py", "ROOMS") for room in line]
    assert drawn == [room.replace("__init__", "fcnn") for room in rooms[1:-1]]


def constant(file, name):
    """A table of another test."""
    return runpy.run_path(str(Path(__file__).with_name(file)))[name]
