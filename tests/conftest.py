"""How much is tried: what is heavy is done at a tenth, or with `pytest --full` as a whole.

`pytest --full -m "heavy or hypothesis"` runs only the tests that `--full` makes larger. The laws
(tests/*/test_laws_*.py) are tried on a few drawn examples, the same each time; or on many, others
each time, when asked to: with `--hypothesis-profile search` (or HYPOTHESIS_PROFILE=search), which
also prints how to see a failure again.
"""

import os

import effort
import pytest
from hypothesis import HealthCheck, settings

FULL = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # times are those of the machine, not the code
)
settings.register_profile("full", FULL)
settings.register_profile("usual", FULL, max_examples=3)
settings.register_profile("search", FULL, max_examples=1000, derandomize=False, print_blob=True)


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="all of what is heavy, not a tenth")


@pytest.hookimpl(tryfirst=True)  # before hypothesis, which knows its own option
def pytest_configure(config):
    effort.full = config.getoption("--full")
    usual = "full" if effort.full else "usual"
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", usual))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder of the test's own, in which it runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def without_pictures(monkeypatch):
    """Runs draw none: that takes longer than all the rest of a small one."""
    monkeypatch.setattr("fcnn.pictures.run_pictures.available", lambda: False)
