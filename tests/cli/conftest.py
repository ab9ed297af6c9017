"""Commands leave what they write in a folder of their own, draw no pictures unless a test asks
for them, and wait for no disk.
"""

import pytest


@pytest.fixture(autouse=True)
def at_ease(elsewhere, without_pictures, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
