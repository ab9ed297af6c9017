"""`pytest --full` does all of what is heavy, which is done at a tenth otherwise.

The property tests search a little, the same each time; or further, when asked to:
`pytest --hypothesis-profile search tests/whole/test_properties.py` (or
HYPOTHESIS_PROFILE=search) draws forty times as many examples, others each time, and prints how
to see a failure again.
"""

import os

import effort
from hypothesis import HealthCheck, settings

USUAL = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # times are those of the machine, not the code
)
settings.register_profile("usual", USUAL)
settings.register_profile("search", USUAL, max_examples=1000, derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="all of what is heavy, not a tenth")


def pytest_configure(config):
    effort.full = config.getoption("--full")
