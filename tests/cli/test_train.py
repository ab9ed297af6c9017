"""`fcnn train`, from what is typed to what is said and lies in the folder."""

import csv
import json
import os
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import attrs
import numpy as np
import pytest
from commands import COMMAND, call
from small_runs import NOISE, begun, config_of

import fcnn
from fcnn import tree
from fcnn.cli.progress import Bar
from fcnn.cli.train import train_with_bar
from fcnn.runs import experiment
from fcnn.runs import trained as networks
from fcnn.runs.config import data_hash, read_config
from fcnn.runs.folder import new_folder
from fcnn.runs.plan import make_plan
from fcnn.runs.recipes import SMALL

LINES = ["--data", "synthetic", "--batch-size", "32", "--epochs", "2"]
LINEAR = ["--data", "synthetic", "--recipe", "reference", "--model", "linear"]
QUICK = [*LINEAR, "--epochs", "2"]
VALIDATED = ["--validation-fraction", "0.2"]  # of 81 images 65 are left
NAMES = ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds"]


@pytest.fixture
def noise():
    """A file of noise, on which accuracies rise and fall."""
    (x, labels), (x_test, labels_test) = NOISE
    np.savez("noise.npz", x_train=x, y_train=labels, x_test=x_test, y_test=labels_test)
    return ["--data", "noise.npz", "--recipe", "reference", "--model", "linear",
            "--learning-rate", "0.5", "--validation-fraction", "0.2"]  # fmt: skip


def test_epochs_and_a_final_evaluation_are_told():
    lines = call("train", *LINES, "--out", "run").stdout.splitlines()
    assert lines[0] == "synthetic, lines_cnn, 5,987 parameters, recipe small, run"
    for epoch in (1, 2):
        assert lines[epoch].startswith(f"Epoch {epoch}/2 - Train Loss: ")
        labels = [part.split(":")[0] for part in lines[epoch].split(" - ")[1].split(", ")]
        assert labels == ["Train Loss", "Acc", "Test Loss", "Acc"]
    assert "Final Test Accuracy: 100.00%" in lines
    assert "No confusions: every test image was recognised." in lines
    assert "Results in run" in lines


def test_a_folder_of_results_is_left(monkeypatch):
    monkeypatch.setattr("fcnn.pictures.run_pictures.available", lambda: True)
    text = call("train", *LINES).stdout
    assert "Pictures: training.png, confusion.png, mistakes.png, filters.png" in text
    folder = Path("runs/synthetic-lines_cnn-1")
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.npz", "config.json", "confusion.png", "filters.png", "history.csv",
        "metrics.json", "mistakes.png", "params.npz", "training.png",
    ]  # fmt: skip
    config = read_config(folder)
    assert (config.model, config.data, config.seed) == ("lines_cnn", "synthetic", 0)
    assert (config.epochs, config.batch_size) == (2, 32)
    assert (config.learning_rate, config.momentum) == (0.1, 0.9)
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", *NAMES]
    assert [row["epoch"] for row in rows] == ["1", "2"]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert np.array(metrics["confusion"]).tolist() == [[50, 0, 0], [0, 50, 0], [0, 0, 50]]
    assert metrics["per_class_accuracy"] == [1, 1, 1]
    assert float(rows[1]["train_loss"]) == metrics["train_loss"]


def test_without_matplotlib_one_line_says_how_to_get_pictures():
    text = call("train", *QUICK).stdout
    assert "pip install matplotlib" in text.splitlines()[-1]
    assert not list(Path("runs").glob("*/*.png"))


@pytest.mark.parametrize("resumed", [False, True])
def test_matplotlib_that_cannot_be_imported_costs_the_pictures_alone(resumed):
    command = [*COMMAND, *QUICK, "--out", "run"]
    if resumed:
        call("train", *QUICK, "--out", "run")
        Path("run/metrics.json").unlink()
        command = [*COMMAND, "--resume", "run"]
    environment = os.environ | {"MPLBACKEND": "bogus"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    *_, where, why = done.stdout.splitlines()
    assert where == "Results in run"
    assert why.startswith("No pictures: matplotlib cannot be imported: Key backend: 'bogus' is")
    assert Path("run/metrics.json").exists()
    assert not list(Path("run").glob("*.png"))


@pytest.mark.skipif(sys.platform != "linux", reason="names of files as Linux has them")
@pytest.mark.parametrize("name", ["a$b_^{$c", "bad\udcff" + "r" * 200])
def test_pictures_are_drawn_whatever_a_run_is_called(name):
    done = subprocess.run([*COMMAND, *QUICK, "--out", name], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nPictures: training.png, confusion.png" in done.stdout


def test_pictures_that_cannot_be_drawn_cost_the_pictures_alone(monkeypatch):
    def fail(*arguments, **settings):
        raise RuntimeError("no such glyph")

    monkeypatch.setattr("fcnn.pictures.run_pictures.save_pictures", fail)
    monkeypatch.setattr("fcnn.pictures.run_pictures.available", lambda: True)
    done = call("train", *QUICK, "--out", "run")
    assert done.exit_code == 0
    assert done.stdout.endswith("Results in run\nNo pictures: no such glyph\n")
    assert Path("run/metrics.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes streams")
@pytest.mark.parametrize("closed", ["2>&-", "2>&- <&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_done_without(closed):
    command = shlex.join([*COMMAND, *QUICK, "--out", "run"])
    done = subprocess.run(f"{command} {closed}", shell=True, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0
    assert ("Final Test Accuracy: 100.00%" in done.stdout) == (">&- 2" not in closed)
    assert Path("run/metrics.json").exists()
    command = shlex.join([*COMMAND, "--resume", "nowhere"])
    assert subprocess.run(f"{command} {closed}", shell=True).returncode == 2


def test_a_pipe_in_the_place_of_the_lock_is_refused_at_once():
    call("train", *QUICK, "--out", "run")
    Path("run/metrics.json").unlink()
    os.mkfifo("run/.lock")
    text = "fcnn: run/.lock is no lock of fcnn, expected an empty regular file or none\n"
    assert call("train", "--resume", "run", code=1).stderr == text
    assert call("train", *QUICK, "--out", "run", code=1).stderr == text


@pytest.mark.parametrize("size", [4, 7])
@pytest.mark.parametrize(
    ("images", "given"),
    [(65, []), (9, ["--batch-size", "4"]), (9, ["--batch-size", "1"]), (81, VALIDATED)],
)
def test_a_batch_of_one_example_that_the_model_refuses_is_known_before_the_run(size, images, given):
    save_noise(size, images)
    stderr = call("train", "--data", "noise.npz", *given, code=1).stderr
    assert stderr.startswith("fcnn: batch_norm: one value per channel has no variance")
    assert "choose a batch size that leaves no shard of one" in stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize(("size", "images"), [(4, 64), (7, 66), (8, 65)])
def test_other_small_images_are_trained_on_by_the_default_recipe(size, images):
    save_noise(size, images)
    call("train", "--data", "noise.npz", "--epochs", "1", "--quiet")


def save_noise(size, images):
    rng = np.random.default_rng(0)
    x, labels = rng.random((images, size, size), np.float32), np.arange(images) % 3
    np.savez("noise.npz", x_train=x, y_train=labels, x_test=x[:9], y_test=labels[:9])


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


def test_quiet_says_nothing_and_nothing_of_a_bar_reaches_a_file():
    assert call("train", *QUICK, "--quiet").output == ""
    assert call("train", *QUICK).stderr == ""


def test_runs_are_numbered_and_out_is_respected():
    call("train", *QUICK, "--quiet")
    call("train", *QUICK, "--quiet", "--out", "here/there")
    call("train", *QUICK, "--quiet")
    assert sorted(path.name for path in Path("runs").iterdir()) == [
        "synthetic-linear-1", "synthetic-linear-2",
    ]  # fmt: skip
    assert Path("here/there/metrics.json").exists()
    assert "holds a run already" in call("train", *QUICK, "--out", "here/there", code=2).stderr


def test_the_same_seed_gives_the_same_bits_and_threads_do_not_matter():
    params = []
    for i, extra in enumerate([(), ("--threads", 3), ("--seed", 1)]):
        call("train", *LINES, "--quiet", "--out", f"r{i}", *extra)
        params.append(fcnn.load_run(f"r{i}").params)
    assert tree.equal(params[0], params[1])
    assert not tree.equal(params[0], params[2])


def test_the_seed_draws_the_noise_of_synthetic_data_too():
    call("train", *QUICK, "--seed", 3, "--out", "run")
    config = read_config(Path("run"))
    assert config.seed == 3
    assert config.data_hash == data_hash(fcnn.data.synthetic_lines(3))


def test_single_settings_override_a_recipe():
    call(
        "train", "--data", "synthetic", "--quiet", "--recipe", "small", "--epochs", 1,
        "--optimizer", "adamw", "--schedule", "cosine", "--learning-rate", "0.002",
        "--weight-decay", "0.02", "--label-smoothing", "0", "--augment", "rotation=5,shift=1",
        "--model", "linear", "--batch-size", 50, "--validation-fraction", "0.1", "--patience", 4,
        "--seed", 7, "--out", "run", "--freeze", "[1].b", "--freeze", "*b",
        "--image-size", 14, "--average-decay", "0.75",
    )  # fmt: skip
    given = {
        "epochs": 1, "optimizer": "adamw", "schedule": "cosine", "learning_rate": 0.002,
        "weight_decay": 0.02, "label_smoothing": 0.0, "model": "linear", "batch_size": 50,
        "augmentation": {"rotation": 5.0, "shift": 1.0}, "validation_fraction": 0.1,
        "patience": 4, "seed": 7, "momentum": 0.0, "freeze": ("[1].b", "*b"),
        "image_size": 14, "average_decay": 0.75,
    }  # fmt: skip
    config = read_config(Path("run"))
    assert {name: getattr(config, name) for name in given} == given
    assert given.keys() == {field.name for field in attrs.fields(type(SMALL.settings))}
    call("train", *QUICK, "--recipe", "small", "--momentum", "0.5", "--augment", "none",
         "--out", "b")  # fmt: skip
    assert read_config(Path("b")).augmentation == {}
    assert read_config(Path("b")).freeze == ()
    assert read_config(Path("b")).momentum == 0.5


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--optimizer", "sdg"], "unknown optimizer 'sdg'; did you mean 'sgd'?"),
        (["--schedule", "cosin"], "unknown schedule 'cosin'; did you mean 'cosine'?"),
        (["--augment", "rotation"], "augment is 'rotation', expected NAME=NUMBER,... or none"),
        (["--augment", "rotation=a"], "augment is 'rotation=a', expected NAME=NUMBER,... or none"),
        (["--augment", "rotatio=3"], "unknown augmentation 'rotatio'; did you mean 'rotation'?"),
        (["--augment", "scale=2"], "affine: scale is 2.0, expected below 1"),
        (
            ["--augment", "shift=nan"],
            "augmentation is {'shift': nan}, expected finite numbers by their names",
        ),
        (["--patience", "3"], "patience needs a validation set"),
        (["--validation-fraction", "1"], "is 1.0, expected a number of at least 0 and below 1"),
        (["--validation-fraction", "inf"], "is inf, expected a number of at least 0 and below 1"),
        (["--validation-fraction", "nan"], "is nan, expected a number of at least 0 and below 1"),
        (["--validation-fraction", "0.9999"], "of 600 training images 600 would be held out"),
        (["--validation-fraction", "1e-9"], "of 600 training images 0 would be held out"),
        (["--optimizer", "adam", "--weight-decay", "0.1"], "adam has no weight decay; adamw has"),
        (["--optimizer", "adamw", "--momentum", "0.5"], "adamw has no momentum to set"),
        (["--optimizer", "nesterv"], "unknown optimizer 'nesterv'; did you mean 'nesterov'?"),
        (["--augment", "shift=1,shift=2"], "a name comes twice"),
        (["--epochs", "9" * 30], "one_cycle: steps is "),
        (["--freeze", "[0]", "--freeze", "[1]"], "freeze is [1]: no parameter of [0].w, [0].b, "),
        (["--freeze", "[?]"], "freeze is [?]: no parameter of [0].w, "),
        (["--freeze", "*"], "freeze is *: that leaves nothing to train"),
        (["--label-smoothing", "nan"], "label_smoothing is nan, expected a number from 0 to 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_written(arguments, text):
    assert text in call("train", "--data", "synthetic", *arguments, code=2).stderr
    assert not Path("runs").exists()


def test_a_model_and_data_of_ones_own():
    Path("mine.py").write_text(
        "import fcnn\n"
        "def small(classes):\n    return fcnn.chain(fcnn.flatten, fcnn.dense(classes))\n"
    )
    rng = np.random.default_rng(0)
    x, labels = rng.integers(0, 256, (60, 9, 8), np.uint8), np.arange(60) % 4
    np.savez("mine.npz", x_train=x, y_train=labels, x_test=x[:20], y_test=labels[:20])
    own = ["--data", "mine.npz", "--model", "mine.py:small", "--epochs", 1]
    run = json.loads(call("train", *own, "--json").stdout)["run"]
    assert Path(run).name == "mine-small-1"
    config = fcnn.load_run(run).config
    assert config.model == f"{Path('mine.py').resolve()}:small"
    assert config.data == str(Path("mine.npz").resolve())
    assert (config.in_shape, config.classes) == ((1, 9, 8), 4)
    call("evaluate", run)
    text = Path("mine.py").read_text()
    Path("mine.py").write_text(text.replace("flatten,", "flatten, fcnn.relu,", 1))
    call("evaluate", run)
    Path(run, "metrics.json").unlink()
    assert "mine.py:small is another network now" in call("train", "--resume", run, code=2).stderr
    Path("mine.py").unlink()
    call("train", "--resume", run)


def test_a_run_loads_in_three_lines():
    metrics = json.loads(call("train", *QUICK, "--json").stdout)
    run = fcnn.load_run(metrics["run"])
    _, (x, labels) = fcnn.data.synthetic_lines(seed=0)
    predicted = fcnn.predict(run.model, run.params, x).argmax(1)
    assert (predicted == labels).mean() == metrics["test_accuracy"]


def test_what_a_run_leaves_says_validation_where_it_is_one(noise):
    lines = call("train", *noise, "--epochs", 30, "--patience", 4, "--out", "run").stdout
    metrics = json.loads(Path("run/metrics.json").read_text())
    best, epochs = metrics["best_epoch"], metrics["epochs"]
    assert epochs == best + 4 < 30
    with Path("run/history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
        "seconds",
    ]  # fmt: skip
    told = lines.split("\n\n")
    assert [line.split(" - ")[0] for line in told[0].splitlines()[1:]] == [
        f"Epoch {epoch}/30" for epoch in range(1, epochs + 1)
    ]
    assert "Test" not in told[0]
    assert told[0].count(" Val Loss: ") == epochs
    loss, accuracy = metrics["validation_loss"], metrics["validation_accuracy"]
    assert told[1].splitlines() == [
        "Stopped early: no better validation in 4 epochs",
        f"Kept Epoch {best}, the best in validation - Loss: {loss:.4f}, Acc: {accuracy:.4f}",
    ]
    assert lines.count("Test") == 2
    assert f"Final Test Accuracy: {metrics['test_accuracy']:.2%}" in told[2]


def test_a_run_without_a_validation_set_says_test():
    lines = call("train", *QUICK, "--out", "run").stdout
    assert "Val" not in lines
    assert "Kept" not in lines
    assert "validation" not in Path("run/history.csv").read_text()


def test_a_run_that_was_stopped_goes_on(noise):
    config = config_of(epochs=4)
    with new_folder("run", config):
        pass
    lines = call("train", "--resume", "run").stdout.splitlines()
    assert lines[0] == "Going on with the run in run"
    assert lines[1].startswith("Epoch 1/4")
    lines = call("train", "--resume", "run").stdout
    assert lines == "The run in run is finished; fcnn evaluate run shows it\n"
    again = call("train", "--resume", "run", "--json").stdout
    assert json.loads(again) == json.loads(Path("run/metrics.json").read_text())


@pytest.mark.parametrize(
    ("option", "value"),
    [("--seed", 1), ("--data", "mnist5k"), ("--augment", "none"), ("--out", "b"),
     ("--model", "linear"), ("--recipe", "small")],
)  # fmt: skip
def test_settings_beside_resume_are_refused_by_their_options(option, value):
    said = call("train", "--resume", "run", option, value, code=2).stderr
    assert said == f"fcnn: --resume takes the settings of the run; leave out {option}\n"


@pytest.mark.parametrize("resumed", [False, True])
def test_the_bar_is_that_of_the_whole_run(resumed):
    class SpiedBar(Bar):
        def update(self, label, done, total, note=""):
            updates.append((label, done, total, note))

    class StoppedError(Exception):
        pass

    def stop(record):
        if record.epoch == 2:
            raise StoppedError

    updates = []
    config = config_of(batch_size=16, epochs=4)
    plan, folder = make_plan(config, NOISE), begun("run", config)
    if resumed:
        with pytest.raises(StoppedError):
            experiment.train(plan, folder, threads=1, on_epoch=stop)
    train_with_bar(plan, folder, SpiedBar(False), [].append, threads=1)
    assert [done for _, done, _, _ in updates] == list(range(7 if resumed else 1, 13))
    assert {total for _, _, total, _ in updates} == {12}
    assert [label for label, *_ in updates][-3:] == ["Epoch 4/4"] * 3
    assert updates[0][3] == "learning rate 0.5"
    for (_, _, _, note), _ in pairwise(updates[1:]):
        left, rate, learning_rate = note.split(", ", 2)
        assert left.endswith(" left")
        assert rate.endswith(" images/s")
        assert learning_rate == "learning rate 0.5"


def test_threads_are_passed_on(monkeypatch):
    seen = []

    def spied(module, name):
        original = getattr(module, name)

        def spy(*args, **settings):
            seen.append((name, settings["threads"]))
            return original(*args, **settings)

        monkeypatch.setattr(module, name, spy)

    spied(experiment, "fit")
    spied(networks, "evaluate")
    spied(networks, "predict")
    trained = json.loads(call("train", *QUICK, "--threads", 2, "--json").stdout)
    assert set(seen) == {("fit", 2), ("evaluate", 2), ("predict", 2)}
    seen.clear()
    evaluated = json.loads(call("evaluate", trained["run"], "--threads", 3, "--json").stdout)
    assert set(seen) == {("evaluate", 3), ("predict", 3)}
    assert evaluated["test_loss"] == trained["test_loss"]
    seen.clear()
    call("evaluate", trained["run"])
    assert set(seen) == {("evaluate", None), ("predict", None)}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such size of a terminal")
def test_help_has_a_line_for_every_option(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = call("train", "--help").stdout
    options = ["Data", "--data", "--validation-fraction", "Network", "--model", "--freeze",
               "Training", "--recipe", "--epochs", "--batch-size", "--optimizer",
               "--learning-rate", "--schedule", "--momentum", "--weight-decay",
               "--label-smoothing", "--patience", "Augmentation", "--augment", "Run",
               "--seed", "--threads", "--checkpoint-every", "--out", "--resume", "--init", "--json",
               "--quiet"]  # fmt: skip
    text = text.replace("─", " ")
    places = [text.index(f" {option} ") for option in options]
    assert places == sorted(places)
    for field in attrs.fields(type(SMALL.settings)):
        assert field.metadata["help"].split(".")[0][:40] in text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such size of a terminal")
def test_help_says_what_each_recipe_gives(monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    text = call("train", "--help").stdout
    for line in (
        "[default: 16 (small); 3 (fast); 50 (best); 24 (tiny); 5 (reference)]",
        "[default: 0.1 (small); 0.3 (fast); 0.2 (best, tiny); 0.01 (reference)]",
        "[default: rotation=12, scale=0.1, shift=2.5 (small, fast, best); rotation=9, scale=0.1, "
        "shift=2 (tiny); none (reference)]",
        "Of sgd and nesterov. [default: 0.9]",
    ):
        assert line in text
