"""Tests of runs leave what they write in a folder of their own, draw no pictures, and wait for
no disk: what they kill is never the power.
"""

import pytest


@pytest.fixture(autouse=True)
def at_ease(elsewhere, without_pictures, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
