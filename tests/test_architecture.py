"""Imports run downward only, and importing fcnn loads NumPy and attrs alone."""

import ast
import subprocess
import sys
from pathlib import Path

import fcnn

PACKAGE = Path(fcnn.__file__).parent

# From the top down: a module may import from lower lines, never from its own or a higher one,
# except within a package of its own.
ORDER = [
    ["__main__"],
    ["cli"],
    ["experiment", "reports", "progress", "interruption"],
    ["claims", "torch_parity"],
    ["loss_claims", "mode_claims", "optimizer_claims"],
    ["bench", "proof"],
    ["__init__"],
    ["settings"],
    ["runs", "summary", "pictures"],
    ["checkpoints", "configs", "names"],
    ["check", "models", "recipes", "reference", "training"],
    ["calibration", "diagnosis", "inference"],
    ["gradients", "cases", "loss_cases"],
    ["crew"],
    ["processes"],
    ["rewriting", "operations"],
    ["branching", "composition"],
    ["places"],
    [
        "activations",
        "average_pooling",
        "convolution",
        "fully_connected",
        "normalization",
        "pooling",
        "regularization",
        "reshaping",
        "smooth_activations",
    ],
    ["weighted_losses"],
    ["adaptive_moments", "averaging", "gradient_changes"],
    [
        "augmentation",
        "losses",
        "optimizers",
        "layer",
        "data",
        "workers",
        "differences",
        "error_function",
        "row_windows",
        "drawing",
        "torch_operations",
    ],
    ["blas", "geometry", "memory"],
    ["batches", "initializers", "schedules", "untrained", "version"],
    ["streams"],
    ["tree"],
    ["archives"],
    ["files", "locks"],
    ["validation"],
    ["arrays"],
]


def imports_of(path):
    """Names of the modules of fcnn that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "fcnn":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fcnn."):
            yield node.module.split(".")[1]


def test_every_module_has_its_place():
    placed = {name for line in ORDER for name in line}
    found = {path.stem for path in PACKAGE.glob("*.py")}
    found |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert found == placed


def test_imports_run_downward():
    height = {name: -level for level, line in enumerate(ORDER) for name in line}
    for path in PACKAGE.rglob("*.py"):
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for name in imports_of(path):
            assert name == own or height[name] < height[own], f"{path} imports {name}"


def test_import_loads_numpy_and_attrs_alone():
    program = (
        "import sys, numpy.random, attrs; before = set(sys.modules); import fcnn;"
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
