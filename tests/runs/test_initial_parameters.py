"""What a run begins with: what is drawn, and what another has learned, where it fits."""

from pathlib import Path

import attrs
import numpy as np
import pytest
from commands import call, results
from small_runs import NOISE, begun, config_of

import fcnn
from fcnn import tree
from fcnn.runs import experiment
from fcnn.runs.config import RunError, read_config
from fcnn.runs.folder import load_run
from fcnn.runs.initial_parameters import beginning_of, begun_with, initial_parameters
from fcnn.runs.plan import make_plan

RUN = ["--data", "synthetic", "--recipe", "reference", "--quiet"]
NET = """
import fcnn
def net(classes):
    return fcnn.chain(fcnn.conv2d({features}, padding=1), fcnn.flatten, {more}fcnn.dense(classes))
"""


def trained(folder, config):
    experiment.train(make_plan(config, NOISE), begun(folder, config), threads=1)
    return Path(folder)


@pytest.fixture
def other():
    """A run whose parameters are float64, for its dtypes are not asked for."""
    folder = trained("other", config_of(epochs=1, seed=9))
    params = tree.map(lambda leaf: leaf.astype(np.float64), load_run(folder).params)
    tree.save(folder / "params.npz", params)
    return folder


def test_parameters_are_drawn_from_the_seed():
    first, same, another = (
        initial_parameters(fcnn.models.linear(3), config_of(seed=seed)) for seed in (1, 1, 2)
    )
    assert tree.equal(first, same)
    assert not tree.equal(first, another)


def test_what_fits_is_taken_and_the_rest_is_drawn_and_told(other):
    found = beginning_of(begun_with(other, config_of()))
    with np.load(other / "params.npz") as held:
        expected = held["[1].w"].astype(np.float32)
    assert found.params[1].w.dtype == np.float32
    assert tree.equal(found.params[1].w, expected)
    assert not found.params[1].w.flags.writeable
    assert (found.taken, found.misfits) == (2, [])
    Path("mine.py").write_text(NET.format(features=1, more=""))
    plain = config_of(model="mine.py:net")
    with np.load(other / "params.npz") as held:
        arrays = {"[2].b": held["[1].b"], "[2].w": held["[1].w"][:2], "[9]": np.zeros(1)}
    np.savez(other / "params.npz", **arrays)
    found, drawn = beginning_of(begun_with(other, plain)), beginning_of(plain)
    assert found.taken == 1
    assert tree.equal(found.params[2].b, arrays["[2].b"].astype(np.float32))
    assert tree.equal(found.params[0], drawn.params[0])
    assert tree.equal(found.params[2].w, drawn.params[2].w)
    assert found.misfits == [
        "[0].w: nothing there, float32[1,1,3,3] here",
        "[0].b: nothing there, float32[1] here",
        "[2].w: float64[2,3] there, float32[4,3] here",
        "[9]: float64[1] there, nothing here",
    ]


def test_a_run_of_which_nothing_fits_is_refused(other):
    np.savez(other / "params.npz", **{"[1].w": np.zeros((4, 3), int), "[1].b": np.zeros(2)})
    text = (
        rf"no parameter of {other.resolve()} fits\n  \[1\].w: int64\[4,3\] there, float32\[4,3\] "
        r"here\n  \[1\].b: float64\[2\] there, float32\[3\] here"
    )
    with pytest.raises(RunError, match=text):
        begun_with(other, config_of())
    (other / "params.npz").write_bytes(b"PK")
    with pytest.raises(RunError, match=r"is not a readable .npz file"):
        begun_with(other, config_of())
    (other / "params.npz").unlink()
    with pytest.raises(RunError, match=r"other holds no params.npz: the run did not finish"):
        begun_with(other, config_of())


def test_the_code_of_the_other_run_is_not_run(other):
    config = attrs.evolve(read_config(other), model="/nowhere.py:net")
    experiment.write_config(other, config)
    assert beginning_of(begun_with(other, config_of())).taken == 2


def test_a_run_begins_again_with_the_same_parameters_or_not_at_all(other):
    config = begun_with(other, config_of(epochs=2))
    whole = trained("whole", config)
    folder = begun("run", config)
    assert '"init": "../other"' in (folder / "config.json").read_text()
    assert read_config(folder) == config
    experiment.train(make_plan(read_config(folder), NOISE), folder, threads=1)
    assert results(folder) == results(whole)
    late = begun("late", config)
    trained("new", config_of(epochs=1, seed=5))
    Path("new/params.npz").replace(other / "params.npz")
    text = r"other.params.npz has changed since a run began with these parameters"
    with pytest.raises(RunError, match=text):
        experiment.train(make_plan(config, NOISE), late, threads=1)
    (folder / "metrics.json").unlink()  # what has begun needs the other no more
    experiment.train(make_plan(config, NOISE), folder, threads=1)
    assert results(folder) == results(whole)


def test_the_command_begins_with_another_run_and_says_what_does_not_fit():
    Path("a.py").write_text(NET.format(features=2, more=""))
    Path("b.py").write_text(NET.format(features=2, more="fcnn.dense(5), "))
    call("train", *RUN, "--model", "a.py:net", "--epochs", 1, "--out", "a")
    own = [*RUN[:-1], "--model", "b.py:net", "--epochs", 1, "--learning-rate", 0, "--out"]
    lines = call("train", *own, "b", "--init", "a").stdout.splitlines()
    assert lines[1:7] == [
        "Begins with 2 arrays of the parameters in a",
        "Left out:",
        "  [2].w: float32[392,3] there, float32[392,5] here",
        "  [2].b: float32[3] there, float32[5] here",
        "  [3].w: nothing there, float32[5,3] here",
        "  [3].b: nothing there, float32[3] here",
    ]
    a, b = fcnn.load_run("a"), fcnn.load_run("b")
    assert tree.equal(a.params[0], b.params[0])
    assert b.config.init == str(Path("a").resolve())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--init", "nowhere"], "nowhere is not a run: there is no readable config.json in it"),
        (["--init", "a", "--model", "lines_cnn"], "a fits"),
        (["--resume", "a", "--init", "a"], "--resume takes the settings of the run; leave out"),
    ],
)
def test_what_cannot_begin_so_is_refused_before_a_folder_is_made(arguments, text):
    call("train", *RUN, "--model", "linear", "--epochs", 1, "--out", "a")
    given = RUN if "--resume" not in arguments else []
    assert text in call("train", *given, *arguments, code=2).stderr
    assert not Path("runs").exists()


def test_a_run_begins_with_the_parameters_of_a_file():
    params, _ = fcnn.models.linear(3).init(np.random.default_rng(7), (1, 2, 2))
    fcnn.save_model("model.npz", fcnn.models.linear(3), params, (1, 2, 2))
    config = begun_with(Path("model.npz"), config_of(epochs=2))
    assert config.init == str(Path("model.npz").resolve())
    found = beginning_of(config)
    assert tree.equal(found.params, params)
    assert (found.taken, found.misfits) == (2, [])
    folder = begun("run", config)
    assert '"init": "../model.npz"' in (folder / "config.json").read_text()
    fcnn.save_model("model.npz", fcnn.models.linear(3), params, (1, 2, 2), labels=["a", "b"])
    with pytest.raises(RunError, match=r"model.npz has changed since a run began with these"):
        experiment.train(make_plan(config, NOISE), folder, threads=1)


def test_a_file_of_layers_of_ones_own_needs_no_code():
    own = fcnn.Layer("own", fcnn.relu.init, fcnn.relu.forward, fcnn.relu.backward)
    model = fcnn.chain(fcnn.flatten, fcnn.dense(3), own)
    params, _ = model.init(np.random.default_rng(0), (1, 2, 2))
    fcnn.save_model("model.npz", model, params, (1, 2, 2))
    found = beginning_of(begun_with(Path("model.npz"), config_of()))
    assert tree.equal(found.params, params[:2])


def test_a_file_that_is_of_no_model_is_refused(other):
    with pytest.raises(
        RunError, match=r"params.npz is no file of save_model: there is no 'network'"
    ):
        begun_with(other / "params.npz", config_of())
    Path("notes.txt").write_text("notes")
    with pytest.raises(RunError, match=r"notes.txt is not a readable .npz file"):
        begun_with(Path("notes.txt"), config_of())
    model = fcnn.models.linear(4)
    params, _ = model.init(np.random.default_rng(0), (1, 3, 2))
    fcnn.save_model("model.npz", model, params, (1, 3, 2))
    with pytest.raises(RunError, match=r"model.npz fits\n  \[1\].w: float32\[6,4\] there"):
        begun_with(Path("model.npz"), config_of())
