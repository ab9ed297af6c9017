"""`fcnn bench`: images per second on this machine."""

import json
from pathlib import Path

from commands import call


def test_rates_by_threads():
    linear = ["--data", "synthetic", "--model", "linear"]
    text = call("bench", *linear, "--threads", 2, "--seconds", 0.01).stdout
    assert "linear, batches of 64, float32" in text
    rows = [line.split() for line in text.splitlines() if line.split()[:1] in (["1"], ["2"])]
    assert [row[0] for row in rows] == ["1", "2"]
    assert all(row[2].endswith("%") and row[4].endswith("%") for row in rows)
    options = [*linear, "--threads", 3, "--seconds", 0.0, "--batch-size", 8]
    rates = json.loads(call("bench", *options, "--json").stdout)["rates"]
    assert [rate["threads"] for rate in rates] == [1, 2, 3]
    assert all(rate["training"] > 0 and rate["training_of_peak"] > 0 for rate in rates)


def test_of_layers_of_ones_own_it_says_what_it_does_not_know():
    Path("mine.py").write_text(
        "import fcnn, numpy as np\n"
        "scale = fcnn.Layer('scale', lambda rng, s: (np.ones(s, np.float32), s),\n"
        "    lambda p, x, rng=None: (x * p, (p, x)),\n"
        "    lambda c, dy: ((dy * c[1]).sum(0), dy * c[0]))\n"
        "def mine(classes):\n"
        "    return fcnn.chain(fcnn.flatten, fcnn.dense(classes), scale)\n"
    )
    options = ["--data", "synthetic", "--model", "mine.py:mine", "--seconds", 0.0, "--json"]
    rates = json.loads(call("bench", *options).stdout)["rates"]
    assert rates[0]["training"] > 0
    assert rates[0]["training_of_peak"] is None
