"""Files are written in a folder of the test's own, and no test waits for the disk."""

import pytest


@pytest.fixture(autouse=True)
def at_ease(elsewhere, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
