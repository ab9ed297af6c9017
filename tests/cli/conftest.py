"""Commands leave what they write in a folder of their own, draw no pictures unless a test asks
for them, and wait for no disk.
"""

import pytest
from commands import trained


@pytest.fixture(autouse=True)
def at_ease(elsewhere, without_pictures, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """A run on digits."""
    linear = ["--recipe", "reference", "--model", "linear", "--epochs", 2]
    return trained(tmp_path_factory.mktemp("digits") / "run", *linear)
