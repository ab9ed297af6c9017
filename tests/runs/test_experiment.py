"""A run from beginning to end: killed, gone on with, ended by patience, and what it keeps."""

import csv
import json
import weakref
from functools import partial
from pathlib import Path

import attrs
import effort
import numpy as np
import pytest
from small_runs import NOISE, KilledError, begun, config_of, killed_at_write, record_in

import fcnn
from fcnn import tree
from fcnn.numerics import random_streams as streams
from fcnn.runs import experiment
from fcnn.runs.config import RunError
from fcnn.runs.folder import BEST, CHECKPOINT, load_run
from fcnn.runs.history import read_history
from fcnn.runs.initial_parameters import initial_parameters
from fcnn.runs.model_by_name import ModelError
from fcnn.runs.plan import make_plan


def train(folder, config, data=NOISE, **options):
    return experiment.train(make_plan(config, data), folder, threads=1, **options)


def stopped(config, epochs):
    """A run that ended with an epoch, before its last."""
    folder = begun("run", config)

    def stop(record):
        if record.epoch == epochs:
            raise KilledError

    with pytest.raises(KilledError):
        train(folder, config, on_epoch=stop)
    return folder


def content(folder):
    """What a run has computed, without the times it took."""
    found = {}
    for name in ("params.npz", "best.npz", "checkpoint.npz"):
        with np.load(folder / name) as archive:
            found[name] = {key: archive[key].tobytes() for key in archive if "seconds" not in key}
    with (folder / "history.csv").open() as file:
        found["history"] = [{**row, "seconds": ""} for row in csv.DictReader(file)]
    metrics = json.loads((folder / "metrics.json").read_text())
    return found, {**metrics, "seconds": 0, "run": ""}


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("every", "patience", "decay"), [(1, 2, 0.0), (5, 2, 0.0), (2, None, 0.0), (2, 2, 0.75)]
)
def test_a_run_killed_before_any_write_is_the_run_that_was_never_killed(every, patience, decay):
    epochs = 9 if effort.full else 5
    config = config_of(epochs=epochs, patience=patience, seed=5, average_decay=decay)
    whole = begun("whole", config)
    train(whole, config, checkpoint_every=every)
    writes, killed = 0, True
    while killed:
        folder = begun(f"killed{writes}", config)
        work = partial(train, folder, config, checkpoint_every=every)
        killed = killed_at_write(writes, work)
        last, best = (record_in(folder / name, config) for name in (CHECKPOINT, BEST))
        assert best is None or best.epoch <= last.epoch  # else it may be one that never comes
        if killed:
            # Once more, so that what the first resumption leaves is gone on with too.
            killed_at_write(2, work)
        if not (folder / "metrics.json").exists():
            work()
        assert content(folder) == content(whole)
        writes += 1
    assert writes > 9


@pytest.mark.parametrize("every", [1, 4, 100])
def test_a_run_that_patience_ends_leaves_a_checkpoint_of_its_last_epoch(every):
    config = config_of(epochs=30, patience=2)
    folder = begun("run", config)
    metrics = train(folder, config, checkpoint_every=every).metrics
    assert metrics["epochs"] == metrics["best_epoch"] + 2 < 30
    assert record_in(folder / CHECKPOINT, config).epoch == metrics["epochs"]
    # Nothing is trained when only the end is missing.
    expected = content(folder)
    for name in ("metrics.json", "params.npz"):
        (folder / name).unlink()
    again = []
    train(folder, config, on_epoch=again.append)
    assert again == []
    assert content(folder) == expected


def test_the_epoch_that_is_best_on_what_is_held_out_is_kept():
    config = config_of(epochs=12)
    folder = begun("run", config)
    metrics = train(folder, config).metrics
    history = read_history(folder, config)
    accuracies = [record.validation_accuracy for record in history]
    best = metrics["best_epoch"]
    assert accuracies[best - 1] == max(accuracies)
    assert best < metrics["epochs"] == len(history) == 12
    kept = record_in(folder / BEST, config)
    assert kept.epoch == best
    assert tree.equal(kept.params, load_run(folder).params)
    # The figures are those of the held-out examples, and the run's are of the epoch that is kept.
    validation = make_plan(config, NOISE).validation
    found = fcnn.evaluate(load_run(folder).model, kept.params, *validation)
    assert (metrics["validation_loss"], metrics["validation_accuracy"]) == found[:2]
    assert (history[best - 1].validation_loss, accuracies[best - 1]) == found[:2]
    for name in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"):
        assert metrics[name] == getattr(history[best - 1], name)
    tested = fcnn.evaluate(load_run(folder).model, kept.params, *NOISE[1])
    assert (metrics["test_loss"], metrics["test_accuracy"]) == tested[:2]


@pytest.mark.parametrize("fraction", [0.0, 0.2])
def test_a_run_with_an_average_evaluates_and_keeps_it(fraction):
    config = config_of(epochs=6, average_decay=0.9, validation_fraction=fraction)
    folder = begun("run", config)
    metrics = train(folder, config).metrics
    kept = record_in(folder / (BEST if fraction else CHECKPOINT), config)
    params = load_run(folder).params
    assert tree.equal(params, fcnn.averaged(kept.state))
    assert not tree.equal(params, kept.params)
    tested = fcnn.evaluate(load_run(folder).model, params, *NOISE[1])
    assert (metrics["test_loss"], metrics["test_accuracy"]) == tested[:2]
    if not fraction:
        assert (kept.test_loss, kept.test_accuracy) == tested[:2]


def test_the_test_set_decides_nothing():
    config = config_of(epochs=6, patience=4)
    other = NOISE[0], (1 - NOISE[1][0], (NOISE[1][1] + 1) % 3)
    records = [[], []]
    for data, told in zip((NOISE, other), records, strict=True):
        train(begun(f"run{len(told)}{data is other}", config), config, data, on_epoch=told.append)
    for ours, theirs in zip(*records, strict=True):
        assert tree.equal(ours.params, theirs.params)
        assert ours.validation_loss == theirs.validation_loss
        assert (ours.test_loss, ours.test_accuracy) == (None, None)


def test_a_run_is_the_fit_of_its_plan():
    given = {"schedule": "cosine", "optimizer": "nesterov", "label_smoothing": 0.1, "epochs": 3}
    config = config_of(**given, augmentation={"shift": 1.0}, batch_size=7, seed=5)
    plan = make_plan(config, NOISE)
    run = begun("run", config)
    shown = []
    train(run, config, on_epoch=shown.append)
    model = fcnn.models.linear(3)
    schedule = fcnn.schedules.cosine(0.5, 3 * 7)  # 48 examples in batches of 7
    records = fcnn.fit(
        model,
        initial_parameters(model, config),
        fcnn.sgd(schedule, 0.9, nesterov=True),
        plan.train,
        epochs=3,
        batch_size=7,
        seed=5,
        loss=fcnn.smoothed_cross_entropy(label_smoothing=0.1),
        augment=fcnn.augmentation.affine(shift=1.0),
        validation=plan.validation,
    )
    for record, expected in zip(shown, records, strict=True):
        assert tree.equal(record.params, expected.params)
        assert record.validation_loss == expected.validation_loss


def test_every_step_is_told_once_with_its_place_in_the_run_also_after_it_was_stopped():
    config = config_of(epochs=3, batch_size=20, schedule="cosine")
    folder, steps = stopped(config, 1), []
    train(folder, config, on_step=lambda *step: steps.append(step))
    assert steps == [(epoch, step) for epoch in (2, 3) for step in (1, 2, 3)]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda best, checkpoint: best.unlink(), "is missing, expected epoch 1, the best one"),
        (lambda best, checkpoint: best.write_bytes(b"PK"), "is not a readable .npz file"),
        (lambda best, checkpoint: best.write_bytes(checkpoint.read_bytes()),
         "is of epoch 3, expected epoch 1, the best one"),
    ],
)  # fmt: skip
def test_a_best_epoch_that_is_lost_is_noticed_before_any_training(change, text):
    config = config_of(epochs=5, learning_rate=0)  # of equal epochs the first is the best
    folder = stopped(config, 3)
    change(folder / BEST, folder / CHECKPOINT)
    with pytest.raises(RunError, match=text) as caught:
        train(folder, config, on_step=lambda *step: pytest.fail("a step was taken"))
    assert str(folder / BEST) in str(caught.value)


def test_a_run_of_an_earlier_version_is_gone_on_with():
    config = config_of(epochs=5)
    folder = stopped(config, 3)
    path = folder / "history.csv"
    now = path.read_text()
    path.write_text(now.replace("validation", "test"))
    train(folder, config)
    assert path.read_text().splitlines()[: len(now.splitlines())] == now.splitlines()


def test_a_checkpoint_of_another_run_is_refused():
    config = config_of(epochs=5)
    folder = stopped(config, 3)
    other = attrs.evolve(config, epochs=2)
    with pytest.raises(RunError, match=r"checkpoint.npz is not of the run in run.config.json"):
        train(folder, other)


def test_data_that_has_changed_is_noticed():
    config = config_of()
    assert experiment.plan_to_go_on(Path("run"), config, NOISE).steps > 0
    with pytest.raises(RunError, match=r"the data in .*noise.npz has changed since the run began"):
        experiment.plan_to_go_on(Path("run"), config, (NOISE[0], NOISE[0]))
    unsure = attrs.evolve(config, data_hash=None, validation_fraction=0.001)
    with pytest.raises(RunError, match=r"run.config.json: .* of 60 training images 0 would be"):
        experiment.plan_to_go_on(Path("run"), unsure, NOISE)


def test_a_run_keeps_the_figures_of_its_epochs_but_not_their_trees():
    config = config_of(epochs=4, validation_fraction=0.0)
    kept, alive = [], []

    def look(record):
        kept.append(weakref.ref(tree.leaves(record.params)[0]))
        alive.append([each() is not None for each in kept])

    train(begun("run", config), config, on_epoch=look)
    assert alive[-1] == [False, False, False, True]


def test_a_loss_that_is_not_finite_ends_the_run():
    with np.errstate(all="ignore"):
        for fraction, name in ((0.2, "validation"), (0.0, "test")):
            # With one step in an epoch, only what is held out can tell.
            config = config_of(validation_fraction=fraction, epochs=1, learning_rate=1e40)
            text = f"the {name} loss of epoch 1 is .*\ntry a smaller learning rate"
            with pytest.raises(experiment.TrainingError, match=text):
                train(begun(name, config), config)
        config = config_of(batch_size=10, epochs=1, learning_rate=1e40)
        with pytest.raises(experiment.TrainingError, match="epoch 1, step 2: the loss is nan"):
            train(begun("loss", config), config)


def test_what_a_model_of_fcnn_refuses_ends_the_run():
    Path("mine.py").write_text(
        "import fcnn\n"
        "def normed(classes):\n"
        "    return fcnn.chain(fcnn.flatten, fcnn.batch_norm(), fcnn.dense(classes))\n"
    )
    config = config_of(model="mine.py:normed", batch_size=1, epochs=1)
    with pytest.raises(ModelError, match="batch_norm"):
        train(begun("run", config), config)


@pytest.mark.parametrize(
    ("optimizer", "fraction", "copies"),
    [("sgd", 0.0, 2 * 2 + 1), ("adam", 0.0, 2 * 3 + 1), ("adam", 0.2, 3 * 3 + 1)],
)
def test_the_space_that_is_asked_for_is_that_of_all_files_at_once(
    monkeypatch, optimizer, fraction, copies
):
    class FullDisk:
        free = 100_000

    monkeypatch.setattr("shutil.disk_usage", lambda path: FullDisk())
    Path("wide.py").write_text(
        "import fcnn\n"
        "def wide(classes):\n"
        "    return fcnn.chain(fcnn.flatten, fcnn.dense(50_000), fcnn.dense(classes))\n"
    )
    config = config_of(
        model="wide.py:wide", epochs=1, optimizer=optimizer, validation_fraction=fraction
    )
    megabytes = 4 * (5 * 50_000 + 50_000 * 3 + 3) / 1e6 * copies + 2
    with pytest.raises(OSError, match=f"the run needs {megabytes:.1f} MB"):
        train(begun("run", config), config)


def test_a_run_draws_its_parameters_and_its_order_from_its_seed(monkeypatch):
    calls = []

    def spied_fit(model, params, optimizer, train, **settings):
        calls.append((params, settings["seed"]))
        return fcnn.fit(model, params, optimizer, train, **settings)

    monkeypatch.setattr(experiment, "fit", spied_fit)
    losses = []
    for seed in (3, 4):
        config = config_of(epochs=1, seed=seed)
        folder = begun(str(seed), config)
        losses.append(train(folder, config).metrics["train_loss"])
        rng = streams.generator(seed, streams.PARAMETERS)
        expected, _ = fcnn.models.linear(3).init(rng, (1, 2, 2))
        assert tree.equal(calls[-1], (expected, seed))
        assert load_run(folder).config.seed == seed
    assert losses[0] != losses[1]
