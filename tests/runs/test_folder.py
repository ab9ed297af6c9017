"""Run folders: one process at a time, no run in another's place, and read again whole."""

from pathlib import Path

import attrs
import numpy as np
import pytest
from small_runs import NOISE, begun, config_of

import fcnn
from fcnn import tree
from fcnn.networks.documents import document
from fcnn.runs.config import RunError, read_config, write_config
from fcnn.runs.experiment import train
from fcnn.runs.folder import load_run, model_of, new_folder, old_folder
from fcnn.runs.plan import make_plan


@pytest.fixture
def finished():
    config = config_of(epochs=1)
    folder = begun("run", config)
    train(make_plan(config, NOISE), folder, threads=1)
    return folder


def test_a_run_loads(finished):
    run = load_run(finished)
    assert (run.folder, run.config) == (finished, read_config(finished))
    assert repr(run.model) == "chain(flatten, dense(3))"
    assert repr(run) == f"load_run({str(run.folder)!r})"
    with np.load(finished / "params.npz") as archive:
        assert np.array_equal(archive["[1].w"], run.params[1].w)
    assert fcnn.predict(run.model, run.params, NOISE[1][0]).shape == (30, 3)


def test_a_run_that_did_not_finish_does_not_load(finished):
    (finished / "params.npz").unlink()
    text = "run holds no params.npz: the run did not finish; fcnn train --resume run goes on with"
    with pytest.raises(RunError, match=text):
        load_run(finished)


def test_a_model_that_is_another_now_is_noticed(finished):
    config = attrs.evolve(read_config(finished), model="lines_cnn")
    with pytest.raises(RunError, match=r"lines_cnn is another network now\n  was chain\(flatten"):
        model_of(finished, config)
    with pytest.raises(RunError, match=r"run.config.json: unknown model 'linea'"):
        model_of(finished, attrs.evolve(config, model="linea"))


def test_new_runs_are_numbered():
    config = config_of()
    for number in (1, 2):
        with new_folder(None, config) as folder:
            assert folder == Path("runs", f"noise-linear-{number}")
            assert read_config(folder) == config
    own = attrs.evolve(config, data="mnist5k", model="/some where/mine.py:my net")
    with new_folder(None, own) as folder:
        assert folder.name == "mnist5k-my_net-1"


def test_a_new_run_takes_no_folder_that_is_taken(finished):
    config = config_of()
    Path("file").write_text("")
    Path("full").mkdir()
    Path("full/thesis.txt").write_text("")
    for folder, text in [
        ("file", "file is a file; choose another folder"),
        (finished, "run holds a run already; go on with it by --resume run, or choose another"),
        ("full", "full is not empty: it holds thesis.txt"),
    ]:
        with pytest.raises(RunError, match=text), new_folder(folder, config):
            pytest.fail("the folder was given away")


def test_what_a_run_that_was_killed_at_once_left_is_in_nobodys_way():
    Path("run").mkdir()
    Path("run/config.json.1-1.part").write_text("{")
    with new_folder("run", config_of()) as folder:
        assert sorted(path.name for path in folder.iterdir()) == [".lock", "config.json"]
    (folder / "params.npz.1-1.part").write_text("P")
    with old_folder(folder) as config:
        assert config == read_config(folder)
        assert sorted(path.name for path in folder.iterdir()) == [".lock", "config.json"]


def test_files_of_the_users_own_stay():
    """Whatever they are called: only the whole pattern of what `whole_file` leaves is ours."""
    Path("full/x.part").mkdir(parents=True)
    Path("full/thesis.part").write_text("mine")
    text = "full is not empty: it holds thesis.part, x.part"
    with pytest.raises(RunError, match=text), new_folder("full", config_of()):
        pytest.fail("the folder was given away")
    with new_folder("run", config_of()) as folder:
        pass
    (folder / "x.part").mkdir()
    (folder / "thesis.part").write_text("mine")
    with old_folder(folder):
        pass
    for place in (Path("full"), folder):
        assert (place / "x.part").is_dir()
        assert (place / "thesis.part").read_text() == "mine"


CODE = """
import fcnn, pathlib
pathlib.Path("{sign}").touch()
def net(classes):
    last = {last}
    return fcnn.chain(fcnn.flatten, fcnn.dense(classes), last)
"""
OWN = 'fcnn.Layer("own", fcnn.relu.init, fcnn.relu.forward, fcnn.relu.backward)'


def own_net(classes):
    """The model of a run with code in a file, made here."""
    own = fcnn.Layer("own", fcnn.relu.init, fcnn.relu.forward, fcnn.relu.backward)
    return fcnn.chain(fcnn.flatten, fcnn.dense(classes), own)


def run_with_code_in(place, last=OWN):
    """A finished run whose model is a file of code, with a layer of one's own unless another is
    given; what shows that the code has run is away.
    """
    path, sign = Path(place).resolve(), Path("code_has_run").resolve()
    Path("mine.py").write_text(CODE.format(sign=sign, last=last))
    config = config_of(epochs=1, model="mine.py:net")
    folder = begun("run", config)
    train(make_plan(config, NOISE), folder, threads=1)
    path.parent.mkdir(exist_ok=True)
    Path("mine.py").rename(path)
    sign.unlink()
    return folder, config, sign


def name_in_config(folder, config, model):
    write_config(folder, attrs.evolve(config, model=model))


def test_a_run_of_ones_own_model_loads_by_the_place_it_had_in_training():
    folder, config, sign = run_with_code_in("mine.py")
    assert config.model == f"{Path('mine.py').resolve()}:net"
    assert repr(load_run(folder).model) == "chain(flatten, dense(3), own)"
    assert sign.exists()


@pytest.mark.parametrize("place", ["run/mine.py", "run/code/mine.py"])
@pytest.mark.parametrize("named", ["run", "link"])
def test_code_in_the_folder_of_a_run_is_not_run(place, named):
    folder, config, sign = run_with_code_in(place)
    Path("link").symlink_to(folder)
    model = f"{Path(place).resolve()}:net"
    name_in_config(folder, config, model)
    text = f"config.json: the model is {model}, in the run's own folder: code that came with a run"
    with pytest.raises(RunError, match=text):
        load_run(named)
    with pytest.raises(RunError, match=text):
        train(make_plan(read_config(folder), NOISE), Path(named), threads=1)
    assert not sign.exists()


def test_code_that_is_not_named_by_its_absolute_path_without_links_is_not_run():
    folder, config, sign = run_with_code_in("beside/mine.py")
    Path("linked").symlink_to("beside")
    real = Path("beside/mine.py").resolve()
    for model in ("beside/mine.py", "run/../beside/mine.py", f"{Path.cwd()}/linked/mine.py"):
        name_in_config(folder, config, f"{model}:net")
        text = f"the model is {model}:net, expected .*absolute path without links, {real}:net"
        with pytest.raises(RunError, match=text):
            load_run(folder)
    assert not sign.exists()
    name_in_config(folder, config, f"{real}:net")
    load_run(folder)
    assert sign.exists()


@pytest.mark.parametrize("place", ["mine.py", "run/mine.py", "beside/mine.py"])
def test_a_run_all_of_whose_layers_are_fcnns_needs_no_code(place):
    folder, config, sign = run_with_code_in(place, "fcnn.leaky_relu(0.25)")
    run = load_run(folder)
    assert repr(run.model) == config.network == "chain(flatten, dense(3), leaky_relu(0.25))"
    x = NOISE[1][0]
    logits = x.reshape(30, 4) @ run.params[1].w + run.params[1].b
    expected = np.where(logits > 0, logits, logits / 4)
    assert np.allclose(fcnn.predict(run.model, run.params, x), expected, atol=1e-6)
    Path(place).unlink()
    assert tree.equal(load_run(folder).params, run.params)
    assert not sign.exists()


def test_an_older_run_has_its_model_from_its_code():
    folder, config, sign = run_with_code_in("mine.py", "fcnn.relu")
    write_config(folder, attrs.evolve(config, document=None))
    assert repr(load_run(folder).model) == "chain(flatten, dense(3), relu)"
    assert sign.exists()
    Path("mine.py").unlink()
    with pytest.raises(RunError, match="there is no such file"):
        load_run(folder)


def test_a_document_of_another_network_is_noticed(finished):
    config = read_config(finished)
    other = attrs.evolve(config, document=document(fcnn.models.linear(4)))
    text = r"^run: the document in config.json is another network now\n  was .*3.*\n  is .*4"
    with pytest.raises(RunError, match=text):
        model_of(finished, other)
    with pytest.raises(RunError, match=text):
        train(make_plan(other, NOISE), finished, threads=1)


def test_a_run_of_more_classes_than_outputs_is_refused():
    folder, config, _ = run_with_code_in("mine.py", "fcnn.relu")
    write_config(folder, attrs.evolve(config, classes=4))
    with pytest.raises(RunError, match=r"^run: config.json: 4 classes, but outputs \(3,\)"):
        load_run(folder)


def test_a_run_goes_on_where_its_code_is_gone_but_not_where_it_was_edited():
    folder, config, sign = run_with_code_in("mine.py", "fcnn.relu")
    more = make_plan(attrs.evolve(config, epochs=2), NOISE)
    text = Path("mine.py").read_text()
    Path("mine.py").write_text(text.replace("fcnn.relu", "fcnn.tanh"))
    load_run(folder)
    with pytest.raises(RunError, match=r"mine.py:net is another network now\n  was .*relu\)\n  is"):
        train(more, folder, threads=1)
    Path("mine.py").unlink()
    sign.unlink()
    train(more, folder, threads=1)
    assert not sign.exists()
    Path("mine.py").write_text(text)
    at_once = attrs.evolve(config, epochs=2)
    train(make_plan(at_once, NOISE), begun("at_once", at_once), threads=1)
    assert tree.equal(load_run(folder).params, load_run("at_once").params)


def twice(layer):
    """A layer that gives twice what its maker and settings say."""
    return attrs.evolve(layer, apply=lambda params, x: 2 * layer.apply(params, x))


@pytest.mark.parametrize(
    "model",
    [
        fcnn.chain(fcnn.flatten, attrs.evolve(fcnn.dense(3), name="last")),
        fcnn.chain(attrs.evolve(fcnn.flatten, settings={"of": {}}), fcnn.dense(3)),
        fcnn.chain(fcnn.flatten, twice(fcnn.dense(3))),
        fcnn.chain(fcnn.flatten, fcnn.chain(fcnn.dense(3), fcnn.residual(twice(fcnn.dense(3))))),
    ],
    ids=["named", "settings", "functions", "functions inside"],
)
def test_what_a_document_cannot_tell_is_made_by_code(model, monkeypatch):
    monkeypatch.setattr("fcnn.runs.config.model_by_name", lambda name, classes: model)
    assert config_of().document is None


def test_nothing_is_put_into_what_is_no_run():
    Path("empty").mkdir()
    with pytest.raises(RunError, match="empty is not a run"), old_folder(Path("empty")):
        pytest.fail("the folder was given away")
    assert list(Path("empty").iterdir()) == []


def test_a_history_that_lacks_epochs_is_noticed(finished):
    config = attrs.evolve(read_config(finished), epochs=2)
    write_config(finished, config)
    path = finished / "history.csv"
    path.write_text(path.read_text().splitlines()[0])
    with pytest.raises(RunError, match=r"history.csv lacks epochs before 1"):
        train(make_plan(config, NOISE), finished, threads=1)


def test_a_run_takes_a_model_of_ones_own_in_the_place_of_its_code():
    folder, config, sign = run_with_code_in("run/mine.py")
    run = load_run(folder, model=own_net(3))
    assert not sign.exists()
    assert run.config == config
    assert fcnn.predict(run.model, run.params, NOISE[1][0]).shape == (30, 3)
    (folder / "mine.py").unlink()
    with pytest.raises(RunError, match=r"mine.py:net, but there is no such file; name its new"):
        load_run(folder)
    assert tree.equal(load_run(folder, own_net(3)).params, run.params)
    text = r"another network now\n  was chain\(flatten, dense\(3\), own\)"
    with pytest.raises(RunError, match=text):
        load_run(folder, model=own_net(4))
    with pytest.raises(TypeError, match="load_run: model is a str, expected a Layer"):
        load_run(folder, model="linear")


@pytest.mark.parametrize("place", ["run/digits.npz", "digits.npz", "beside/digits.npz"])
def test_a_run_is_moved_together_with_the_data_inside_of_it_or_beside_it(place):
    Path("here/run").mkdir(parents=True)
    data = Path("here", place)
    data.parent.mkdir(exist_ok=True)
    data.touch()
    config = attrs.evolve(config_of(), data=str(data.resolve()))
    write_config(Path("here/run"), config)
    assert read_config(Path("here/run")) == config
    Path("here").rename("there")
    Path("link").symlink_to("there/run")
    moved = attrs.evolve(config, data=str(Path("there", place).resolve()))
    assert read_config(Path("there/run")) == read_config(Path("link")) == moved
    assert read_config(Path("there/run").resolve()) == moved


def test_other_data_stays_where_it_was():
    Path("here/run").mkdir(parents=True)
    for data in ("mnist", "synthetic", str(Path("digits.npz").resolve())):
        config = attrs.evolve(config_of(), data=data)
        write_config(Path("here/run"), config)
        Path("here").rename("there")
        assert read_config(Path("there/run")) == config
        Path("there").rename("here")


def test_the_file_of_a_model_has_its_absolute_path_wherever_it_lies():
    """Else a run that one was given could have the code run that came beside it."""
    folder, config, sign = run_with_code_in("beside/mine.py")
    name_in_config(folder, config, f"{Path('beside/mine.py').resolve()}:net")
    assert str(Path("beside/mine.py").resolve()) in (folder / "config.json").read_text()
    for written in ("./../beside/mine.py:net", "../beside/mine.py:net"):
        name_in_config(folder, config, written)
        with pytest.raises(RunError, match="code that may have come with a run is not run"):
            load_run(folder)
    assert not sign.exists()
