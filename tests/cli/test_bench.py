"""`fcnn bench`: images per second on this machine."""

import json
from pathlib import Path

from commands import call

from fcnn.cli.bench import report
from fcnn.training.throughput import Rate

LINEAR = ["--data", "synthetic", "--model", "linear", "--seconds", 0.0]


def test_rates_by_threads():
    options = [*LINEAR, "--threads", 3, "--batch-size", 8, "--json"]
    result = json.loads(call("bench", *options).stdout)
    assert (result["model"], result["batch_size"]) == ("linear", 8)
    assert [rate["threads"] for rate in result["rates"]] == [1, 2, 3]
    assert all(rate["training"] > 0 and rate["training_of_peak"] > 0 for rate in result["rates"])


def test_rates_are_told_in_a_table():
    text = call("bench", *LINEAR, "--threads", 1).stdout
    assert text.startswith("linear, batches of 64, float32\n\nThreads  Training images/s")
    rows = report([Rate(1, 1234.4, 5678.6, 0.125, 0.25), Rate(2, 2345.0, 6789.0, None, None)])
    assert [line.split() for line in rows.splitlines()[1:3]] == [
        ["1", "1,234", "12%", "5,679", "25%"],
        ["2", "2,345", "?", "6,789", "?"],
    ]


def test_of_layers_of_ones_own_it_says_what_it_does_not_know():
    Path("mine.py").write_text(
        "import fcnn, numpy as np\n"
        "scale = fcnn.Layer('scale', lambda rng, s: (np.ones(s, np.float32), s),\n"
        "    lambda p, x, rng=None: (x * p, (p, x)),\n"
        "    lambda c, dy: ((dy * c[1]).sum(0), dy * c[0]))\n"
        "def mine(classes):\n"
        "    return fcnn.chain(fcnn.flatten, fcnn.dense(classes), scale)\n"
    )
    options = ["--data", "synthetic", "--model", "mine.py:mine", "--seconds", 0, "--threads", 1]
    rates = json.loads(call("bench", *options, "--json").stdout)["rates"]
    assert rates[0]["training"] > 0
    assert rates[0]["training_of_peak"] is None
