"""What is freed stays in the process; and a way to turn that off."""

import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
@pytest.mark.parametrize("keep", [True, False])
def test_keeping_freed_memory_can_be_turned_off_and_does_not_happen_at_import(keep):
    program = """
import ctypes
calls = []
class Library:
    def mallopt(self, option, value):
        calls.append(option)
real = ctypes.CDLL
ctypes.CDLL = lambda name, *rest, **more: real(name, *rest, **more) if name else Library()
import numpy as np, fcnn
before = len(calls)
fcnn.predict(fcnn.relu, (), np.ones((4, 2), np.float32))
fcnn.predict(fcnn.relu, (), np.ones((4, 2), np.float32))
print(before, len(calls))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "", "FCNN_KEEP_MEMORY": "1" if keep else "0"},
    )
    assert (done.stdout, done.stderr) == ("0 3\n" if keep else "0 0\n", "")
