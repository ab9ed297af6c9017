"""The command line, from what is typed to what lies in the folder."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import fcnn
from fcnn.cli import app

ROOT = Path(__file__).parents[2]
LINES = ["--data", "synthetic", "--batch-size", "32", "--epochs", "2"]
NAMES = ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*arguments, code=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def test_train_prints_epochs_and_a_final_evaluation():
    lines = call("train", *LINES).stdout.splitlines()
    for epoch in (1, 2):
        assert lines[epoch - 1].startswith(f"Epoch {epoch}/2 - Train Loss: ")
        labels = [part.split(":")[0] for part in lines[epoch - 1].split(" - ")[1].split(", ")]
        assert labels == ["Train Loss", "Train Acc", "Test Loss", "Test Acc"]
    assert "Final Test Accuracy: 100.00%" in lines
    assert "No confusions: every test image was recognised." in lines
    assert f"Results in {Path('runs') / 'synthetic-lines_cnn-1'}" in lines


def test_train_leaves_a_folder_of_results():
    call("train", *LINES)
    folder = Path("runs/synthetic-lines_cnn-1")
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.npz", "config.json", "confusion.png", "filters.png", "history.csv",
        "metrics.json", "mistakes.png", "params.npz", "training.png",
    ]  # fmt: skip
    config = json.loads((folder / "config.json").read_text())
    assert config["format"] == 3
    assert config["versions"]["numpy"] == np.__version__
    assert (config["model"], config["data"], config["seed"]) == ("lines_cnn", "synthetic", 0)
    assert (config["epochs"], config["batch_size"]) == (2, 32)
    assert (config["learning_rate"], config["momentum"]) == (0.1, 0.9)
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", *NAMES]
    assert [row["epoch"] for row in rows] == ["1", "2"]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert np.array(metrics["confusion"]).tolist() == [[50, 0, 0], [0, 50, 0], [0, 0, 50]]
    assert metrics["per_class_accuracy"] == [1, 1, 1]
    assert float(rows[1]["train_loss"]) == metrics["train_loss"]


def test_json_is_one_object_and_nothing_else():
    result = call("train", *LINES, "--json")
    metrics = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert set(metrics) >= {"run", "model", "data", "parameters", "epochs", *NAMES}
    assert metrics["parameters"] == 5_987
    assert metrics["epochs"] == 2
    assert metrics["test_accuracy"] == 1.0
    assert metrics["seconds"] > 0
    saved = json.loads(Path(metrics["run"], "metrics.json").read_text())
    assert {key: saved[key] for key in metrics} == metrics


def test_quiet_prints_nothing():
    assert call("train", *LINES, "--quiet").output == ""


def test_runs_are_numbered_and_out_is_respected():
    call("train", *LINES, "--quiet")
    call("train", *LINES, "--quiet", "--out", "here/there")
    call("train", *LINES, "--quiet")
    assert sorted(path.name for path in Path("runs").iterdir()) == [
        "synthetic-lines_cnn-1", "synthetic-lines_cnn-2",
    ]  # fmt: skip
    assert Path("here/there/metrics.json").exists()
    assert "holds a run already" in call("train", *LINES, "--out", "here/there", code=2).stderr


def test_the_same_seed_gives_the_same_bits_and_threads_do_not_matter():
    files = []
    for i, extra in enumerate([(), ("--threads", 3), ("--seed", 1)]):
        call("train", *LINES, "--quiet", "--out", f"r{i}", *extra)
        with np.load(f"r{i}/params.npz") as archive:
            files.append({key: archive[key] for key in archive.files})
    assert all(np.array_equal(files[0][key], files[1][key]) for key in files[0])
    assert not all(np.array_equal(files[0][key], files[2][key]) for key in files[0])


def test_evaluate_repeats_the_evaluation_with_ten_samples():
    metrics = json.loads(call("train", *LINES, "--json").stdout)
    text = call("evaluate", metrics["run"]).stdout
    assert "Final Test Accuracy: 100.00%" in text
    assert len(text.split("Sample predictions\n")[1].splitlines()) == 11
    result = json.loads(call("evaluate", metrics["run"], "--json").stdout)
    assert result["test_loss"] == metrics["test_loss"]
    assert len(result["samples"]) == 10
    assert result["samples"][0].keys() == {"image", "true", "predicted", "confidence"}


def test_a_run_loads_in_three_lines():
    metrics = json.loads(call("train", *LINES, "--json").stdout)
    run = fcnn.load_run(metrics["run"])
    _, (x, labels) = fcnn.data.synthetic_lines(seed=0)
    predicted = fcnn.predict(run.model, run.params, x).argmax(1)
    assert (predicted == labels).mean() == metrics["test_accuracy"]


def test_a_model_of_ones_own():
    Path("mine.py").write_text(
        "import fcnn\n"
        "def small(classes):\n    return fcnn.chain(fcnn.flatten, fcnn.dense(classes))\n"
        "def fixed():\n    return fcnn.chain(fcnn.flatten, fcnn.dense(7))\n"
        "def nothing():\n    return 3\n"
        "def broken():\n    return undefined\n"
        "def narrow():\n    return fcnn.chain(fcnn.flatten, fcnn.dense(2))\n"
    )
    Path("bad.py").write_text("def small(:\n")
    run = json.loads(call("train", *LINES, "--json", "--model", "mine.py:small").stdout)["run"]
    assert Path(run).name == "synthetic-small-1"
    assert fcnn.load_run(run).config.model == f"{Path('mine.py').resolve()}:small"
    call("evaluate", run)
    call("train", *LINES, "--quiet", "--model", "mine.py:fixed")
    text = Path("mine.py").read_text()
    Path("mine.py").write_text(text.replace("flatten,", "flatten, fcnn.relu,", 1))
    assert "mine.py:small is another network now" in call("evaluate", run, code=2).stderr
    for name, text in [
        ("mine.py:broken", "model: NameError in line 9 of "),
        ("mine.py:narrow", "narrow gives outputs (2,), the data has 3 classes"),
        ("bad.py:small", "in line 1 of "),
        ("mine.py:smal", "unknown function 'smal'; did you mean 'small'?"),
        ("mine.py:nothing", "returned an int, expected a Layer"),
        ("other.py:small", "there is no file "),
    ]:
        assert text in call("train", *LINES, "--model", name, code=2).stderr


def test_data_of_ones_own():
    rng = np.random.default_rng(0)
    x, labels = rng.integers(0, 256, (60, 9, 8), np.uint8), np.arange(60) % 4
    np.savez("mine.npz", x_train=x, y_train=labels, x_test=x[:20], y_test=labels[:20])
    metrics = json.loads(call("train", "--data", "mine.npz", "--epochs", 1, "--json").stdout)
    assert Path(metrics["run"]).name == "mine-deep_cnn_small-1"
    run = fcnn.load_run(metrics["run"])
    assert (run.config.in_shape, run.config.classes) == ((1, 9, 8), 4)
    call("evaluate", metrics["run"])
    assert "has a label 9" in call("evaluate", metrics["run"], "--data", "mnist5k", code=2).stderr


def test_classes_without_test_images_are_null_in_json():
    x = np.zeros((8, 8, 8), np.uint8)
    labels = np.arange(8) % 3
    np.savez("few.npz", x_train=x, y_train=labels, x_test=x[:2], y_test=labels[:2])
    metrics = json.loads(call("train", "--data", "few.npz", "--epochs", 1, "--json").stdout)
    saved = json.loads(Path(metrics["run"], "metrics.json").read_text())
    assert saved["per_class_accuracy"][2] is None


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["train", "--data", "mnsit"], 2, "unknown data 'mnsit'; did you mean 'mnist'?"),
        (["train", "--recipe", "refrence"], 2, "did you mean 'reference'?"),
        (["train", "--model", "lenet"], 2, "unknown model 'lenet'; did you mean 'lenet5'?"),
        (["train", "--data", "synthetic", "--learning-rate", "-1"], 2, "learning rate is -1.0"),
        (["train", "--data", "synthetic", "--momentum", "1"], 2, "momentum is 1.0"),
        (["train", "--epochs", "0"], 2, "epochs"),
        (["train", "--threads", "0"], 2, "threads"),
        (["train", "--data", "nowhere/none.npz"], 3, "does not exist"),
        (["train", "--data", ""], 2, "unknown data ''"),
        (["evaluate", "nowhere"], 2, "nowhere is not a run"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_wrong_usage(arguments, code, text):
    assert text in call(*arguments, code=code).stderr
    assert not Path("runs").exists()


def test_a_model_that_does_not_fit_the_data_is_refused_before_anything_is_written():
    x = np.zeros((4, 3, 3), np.uint8)
    labels = np.array([0, 1, 0, 1])
    np.savez("tiny.npz", x_train=x, y_train=labels, x_test=x, y_test=labels)
    stderr = call("train", "--data", "tiny.npz", code=2).stderr
    assert "max_pool2d: the window 2x2 exceeds the image 1x1" in stderr
    assert "in chain layer 10 (max_pool2d)" in stderr
    assert not Path("runs").exists()


def test_a_loss_that_is_not_finite_fails_the_run():
    for batch_size, text in [
        (32, "epoch 1, step 2: the loss is nan; first not finite: the output of layer 3, conv2d("),
        (600, "the test loss of epoch 1 is nan"),  # with one batch, only the test can tell
    ]:
        lines = ["--data", "synthetic", "--epochs", "1", "--batch-size", batch_size]
        result = call("train", *lines, "--learning-rate", "1e30", code=1)
        assert text in result.stderr
        assert "RuntimeWarning" not in result.stderr


def test_damaged_runs_are_refused():
    run = Path(json.loads(call("train", *LINES, "--json").stdout)["run"])
    config = (run / "config.json").read_text()
    for content, text in [
        ("{", "is not JSON"),
        ("[]", "has no format number"),
        (config.replace('"format": 3', '"format": 4'), "has format 4; this version"),
        (config.replace('"seed"', '"sed"'), "lacks seed"),
        (config.replace("lines_cnn", "lenet5"), "lenet5 is another network now"),
    ]:
        (run / "config.json").write_text(content)
        assert text in call("evaluate", run, code=2).stderr
    (run / "config.json").write_text(config)
    (run / "params.npz").write_bytes((run / "params.npz").read_bytes()[:-50])
    assert "is not a readable .npz file" in call("evaluate", run, code=2).stderr
    (run / "params.npz").unlink()
    assert "the run did not finish" in call("evaluate", run, code=2).stderr


def test_missing_mnist_is_exit_code_3(monkeypatch, tmp_path):
    monkeypatch.setenv("FCNN_DATA_DIR", str(tmp_path / "empty"))
    assert "empty" in call("train", "--data", "mnist", code=3).stderr


def test_summary():
    text = call("summary", "--model", "mnist_cnn").stdout
    lines = [line.split() for line in text.splitlines()]
    assert lines[0][:2] == ["Input", "1x28x28;"]
    assert lines[3][-4:] == ["8x28x28", "80", "56,448", "25,088"]
    assert lines[-1] == ["Total", "103,018", "383,872", "88,872"]
    assert "3x14x14" not in text
    assert lines[3][:5] == ["[0]", "conv2d(8,", "3,", "padding=1)", "8x28x28"]
    assert max(map(len, text.splitlines())) <= 80
    assert "5,987" in call("summary", "--data", "synthetic").stdout
    deep = call("summary", "--model", "deep_cnn").stdout.splitlines()[-1]
    assert deep.split()[:3] == ["Total", "157,954", "12,410,112"]


def test_summary_of_chains_in_chains_and_of_layers_of_ones_own():
    Path("mine.py").write_text(
        "import fcnn\n"
        "from fcnn import chain, flatten, dense, relu\n"
        "own = dense(5)\n"
        "scale = fcnn.Layer('scale', lambda rng, s: (own.init(rng, s)[0].b, s),\n"
        "                   own.forward, own.backward)\n"
        "def nested(classes):\n"
        "    return chain(flatten, chain(dense(5), relu), scale, dense(classes))\n"
    )
    text = call("summary", "--model", "mine.py:nested").stdout
    assert "[1][0]" in text
    assert "?" in next(line for line in text.splitlines() if "scale" in line)
    assert "+?" in text.splitlines()[-1]


def test_data_says_what_is_there(monkeypatch, tmp_path):
    monkeypatch.setenv("FCNN_DATA_DIR", str(tmp_path / "empty"))
    text = call("data").stdout
    assert "mnist5k (embedded): 5,000 training and 1,000 test images" in text
    assert "hash holds" in text
    assert "missing" in text
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "t10k-labels-idx1-ubyte").write_bytes(b"not at all")
    call("data", code=3)


def test_without_matplotlib_one_line_says_how_to_get_pictures(monkeypatch):
    monkeypatch.setattr("fcnn.pictures.run_pictures.available", lambda: False)
    text = call("train", *LINES).stdout
    assert "pip install matplotlib" in text.splitlines()[-1]
    assert not list(Path("runs/synthetic-lines_cnn-1").glob("*.png"))


def test_an_interrupted_run_is_exit_code_130(monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("fcnn.runs.experiment.train", interrupted)
    assert "Interrupted" in call("train", *LINES, code=130).stderr


@pytest.mark.parametrize("command", [["-m", "fcnn"], [str(ROOT / "cli.py")]])
def test_other_ways_to_call_it(command):
    done = subprocess.run(
        [sys.executable, *command, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"fcnn {fcnn.__version__}"


def test_help_names_every_command():
    text = call("--help").stdout
    for command in ("train", "evaluate", "summary", "data"):
        assert command in text


def test_out_may_not_be_a_file():
    Path("file").write_text("")
    assert "file is a file" in call("train", *LINES, "--out", "file", code=2).stderr


def test_download_does_not_fill_a_cache_that_nobody_reads(monkeypatch, tmp_path):
    monkeypatch.setenv("FCNN_DATA_DIR", str(tmp_path))
    stderr = call("data", "download", code=3).stderr
    assert "FCNN_DATA_DIR is set, and MNIST is not complete in" in stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell with pipes and true")
def test_nobody_reading_is_no_traceback():
    command = f"{sys.executable} -m fcnn train --data synthetic --epochs 3 | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "Errno" not in done.stderr


def test_bench_measures_by_threads():
    text = call("bench", "--data", "synthetic", "--threads", 2, "--seconds", 0.01).stdout
    assert "lines_cnn, batches of 64, float32" in text
    rows = [line.split() for line in text.splitlines() if line.split()[:1] in (["1"], ["2"])]
    assert [row[0] for row in rows] == ["1", "2"]
    assert all(row[2].endswith("%") and row[4].endswith("%") for row in rows)
    options = ["--data", "synthetic", "--threads", 3, "--seconds", 0.0, "--batch-size", 8]
    rates = json.loads(call("bench", *options, "--json").stdout)["rates"]
    assert [rate["threads"] for rate in rates] == [1, 2, 3]
    assert all(rate["training"] > 0 and rate["training_of_peak"] > 0 for rate in rates)


def test_bench_of_layers_of_ones_own_says_what_it_does_not_know():
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
