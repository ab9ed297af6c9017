"""Imports run downward only, and importing fcnn loads NumPy and attrs alone."""

import ast
import graphlib
import rlcompleter
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import fcnn

PACKAGE = Path(fcnn.__file__).parent

# From the top down: a room imports only from lower lines, and from itself.
ROOMS = [
    ["__main__"],
    ["cli"],
    ["proof"],
    ["__init__"],
    ["runs"],
    ["exchange", "sklearn"],
    ["training"],
    ["models", "check", "pictures"],
    ["networks"],
    ["layers", "optimizers"],
    ["losses", "schedules", "augmentation", "data"],
    ["tree"],
    ["distributed"],
    ["files", "arguments"],
    ["numerics"],
    ["version"],
]
HEIGHT = {room: -line for line, rooms in enumerate(ROOMS) for room in rooms}
# Beside its rooms the package holds these files and nothing else.
FILES = {
    "__init__.py",
    "__main__.py",
    "version.py",
    "models.py",
    "schedules.py",
    "sklearn.py",
    "py.typed",
}


MODULES = {
    ".".join(("fcnn", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in PACKAGE.rglob("*.py")
}


def room_of(module):
    return module.removeprefix("fcnn").lstrip(".").split(".")[0] or "__init__"


def imports_of(module):
    """The modules of fcnn that a module imports anywhere in it."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def test_the_package_holds_its_rooms_and_few_files():
    found = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    rooms = {name for name in found if (PACKAGE / name).is_dir()}
    assert found - rooms == FILES
    assert rooms | {name.removesuffix(".py") for name in FILES - {"py.typed"}} == HEIGHT.keys()


def test_the_map_of_the_house_names_every_room_from_the_top_down():
    lines = fcnn.__doc__.split("\n\n")[2]
    rooms = [line.split("   ")[0].split(", ") for line in lines.splitlines()]
    assert rooms == [line for line in ROOMS if line[0] not in ("__main__", "__init__", "version")]


def test_every_room_imports_only_from_rooms_below_it():
    for module in MODULES.keys() - {"fcnn"}:
        own = room_of(module)
        for other in imports_of(module):
            room = room_of(other)
            assert room == own or HEIGHT[room] < HEIGHT[own], f"{module} imports {other}"


def test_no_modules_import_each_other_in_a_circle():
    graph = {module: set(imports_of(module)) for module in MODULES.keys() - {"fcnn"}}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_import_loads_numpy_and_attrs_alone():
    program = (
        "import sys, numpy.random, attrs; before = set(sys.modules); import fcnn, fcnn.exchange;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    tops = {name.split(".")[0] for name in loaded} - sys.stdlib_module_names
    assert tops - {"numpy"} == {"fcnn"}
    assert not loaded & {"urllib.request", "ssl", "http.client", "multiprocessing", "asyncio"}


def test_import_leaves_what_is_slow_to_import_for_later():
    program = (
        "import sys, numpy, attrs; before = set(sys.modules); import fcnn;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    slow = {"pathlib", "numpy.random", "zipfile", "multiprocessing", "difflib", "csv", "json"}
    assert not slow & set(done.stdout.split())


def test_everything_public_is_there_and_documented():
    for name in fcnn.__all__:
        assert getattr(fcnn, name) is not None
    for name in ("tree", "models", "data", "check"):
        assert getattr(fcnn, name).__doc__


def test_the_package_is_small():
    assert sum(path.stat().st_size for path in PACKAGE.rglob("*") if path.is_file()
               and path.suffix != ".pyc") < 3e6  # fmt: skip


def test_what_is_completed_by_tab_is_public():
    namespace = {"fcnn": fcnn}
    completer = rlcompleter.Completer(namespace)
    found = {name.rstrip("(") for name in completer.attr_matches("fcnn.")}
    assert found == {f"fcnn.{name}" for name in fcnn.__all__ if name[0] != "_"}


def test_the_help_names_every_public_room():
    rooms = [name for name in fcnn.__all__ if isinstance(getattr(fcnn, name), ModuleType)]
    assert {"data", "schedules", "augmentation", "pictures"} < set(rooms)
    last = fcnn.__doc__.split("\n\n")[-1]
    assert all(f"fcnn.{room}" in last for room in rooms)
