"""The public names of fcnn.exchange, and what they load."""

import subprocess
import sys

from fcnn import exchange


def test_what_reads_and_writes_other_formats_is_loaded_when_it_is_called():
    program = (
        "import sys; from fcnn import exchange; from fcnn.exchange import *;"
        "public = [globals()[name] for name in dir(exchange)]; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"onnx", "safetensors", "sklearn", "torch"} & {*done.stdout.split()}


def test_every_public_name_is_documented():
    assert "save_onnx" in dir(exchange)
    assert all(getattr(exchange, name).__doc__ for name in dir(exchange))
