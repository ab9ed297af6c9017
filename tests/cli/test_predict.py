"""`fcnn predict`: what a run says of pictures in files."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import call, trained
from PIL import Image

import fcnn
from fcnn import data

LINEAR = ["--recipe", "reference", "--model", "linear", "--epochs", 2]


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """A folder of red cats, blue dogs and green frogs."""
    folder = tmp_path_factory.mktemp("pets")
    rng = np.random.default_rng(0)
    for channel, name in ((0, "cat"), (2, "dog"), (1, "tree $frog")):
        (folder / name).mkdir()
        for i in range(10):
            pixels = rng.integers(0, 100, (6, 4, 3), np.uint8)
            pixels[..., channel] += 150
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def pets_run(pets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets_run") / "run"
    return trained(folder, "--data", pets, *LINEAR, "--learning-rate", 0.5)


def page(i=1):
    """A page with a large digit in dark ink, and what it is."""
    (x, labels), _ = data.mnist5k()
    ink = np.pad(np.kron(x[i, 0], np.ones((6, 6))), 50)
    return (230 - 200 * ink).astype(np.uint8), str(labels[i])


def answers(*arguments, code=0):
    return json.loads(call("predict", *arguments, "--json", code=code).stdout)["predictions"]


def test_digits_are_read_from_pictures_and_arrays(digits):
    picture, label = page()
    Image.fromarray(picture).save("zero.png")
    Image.fromarray(255 - picture).convert("RGB").save("inverted.jpg")
    np.save("zero.npy", picture)
    np.save("of_mnist.npy", data.mnist5k()[0][0][1])
    files = ["zero.png", "inverted.jpg", "zero.npy", "of_mnist.npy"]
    found = answers(digits, *files)
    assert [each["file"] for each in found] == files
    assert [each["label"] for each in found] == [label] * 4
    for each in found:
        assert each.keys() == {"file", "label", "probabilities"}
        values = [*each["probabilities"].values()]
        assert len(values) == 3
        assert values == sorted(values, reverse=True)
        assert next(iter(each["probabilities"])) == label
    run = fcnn.load_run(digits)
    logits = fcnn.predict(run.model, run.params, data.as_mnist("zero.png")[None])
    assert found[0]["probabilities"][label] == pytest.approx(
        float(fcnn.softmax_forward(logits)[0].max())
    )
    lines = call("predict", digits, "zero.png").stdout.splitlines()
    assert lines[0].split() == ["Picture", "Label", "Probability", "Second", "Third"]
    assert lines[1].split()[:3] == ["zero.png", label, f"{values_of(found[0])[0]:.1%}"]


def values_of(answer):
    return [*answer["probabilities"].values()]


def test_without_preparation_pictures_are_resized_and_arrays_have_the_shape_of_the_run(digits):
    picture, _ = page()
    Image.fromarray(picture).save("zero.png")
    digit = data.mnist5k()[0][0][3]
    for name, array in (("plain", digit), ("flat", digit[0]), ("bytes", digit * 255)):
        np.save(f"{name}.npy", array.astype(np.uint8) if name == "bytes" else array)
    np.save("other.npy", digit[:, 1:])
    found = answers(digits, "plain.npy", "flat.npy", "other.npy", "zero.png",
                    "--preparation", "none", code=3)  # fmt: skip
    run = fcnn.load_run(digits)
    direct = fcnn.softmax_forward(fcnn.predict(run.model, run.params, digit[None]))[0]
    assert values_of(found[0]) == values_of(found[1])
    assert values_of(found[0])[0] == pytest.approx(float(direct.max()), rel=1e-5)
    assert found[2]["error"] == (
        "other.npy: its shape is (1, 27, 28), the model was trained on (1, 28, 28) as (C, H, W)"
    )
    small = Image.fromarray(picture).resize((28, 28), Image.Resampling.BILINEAR)
    x = (np.asarray(small) / np.float32(255)).astype(np.float32)[None, None]
    direct = fcnn.softmax_forward(fcnn.predict(run.model, run.params, x))[0]
    assert values_of(found[3])[0] == pytest.approx(float(direct.max()), abs=1e-6)


def test_what_cannot_be_read_does_not_keep_the_others_from_being_answered(digits):
    picture, label = page()
    Image.fromarray(picture).save("zero.png")
    Image.new("L", (90, 90), 250).save("blank.png")
    Path("broken.png").write_bytes(Path("zero.png").read_bytes()[:300])
    Path("text.npy").write_text("no array")
    np.save("objects.npy", np.array([None]), allow_pickle=True)
    Path("folder").mkdir()
    wrong = ["blank.png", "broken.png", "nowhere.png", "text.npy", "objects.npy", "folder"]
    found = answers(digits, *wrong[:3], "zero.png", *wrong[3:], code=3)
    assert found.pop(3)["label"] == label
    assert [each["file"] for each in found] == wrong
    assert all(each.keys() == {"file", "error"} and each["file"] in each["error"] for each in found)
    result = call("predict", digits, *wrong, "zero.png", code=3)
    errors = result.stderr.splitlines()
    assert [line.startswith("fcnn: ") for line in errors] == [True] * 6
    assert "blank.png: as_mnist: there is no digit in the picture" in errors[0]
    assert "nowhere.png cannot be read: FileNotFoundError" in errors[2]
    assert result.stdout.splitlines()[1].split()[:2] == ["zero.png", label]


def test_names_of_classes_travel(pets, pets_run):
    config = json.loads((pets_run / "config.json").read_text())
    assert config["labels"] == ["cat", "dog", "tree $frog"]
    assert (config["preparation"], config["in_shape"]) == (None, [3, 6, 4])
    assert json.loads((pets_run / "metrics.json").read_text())["labels"] == config["labels"]
    found = answers(pets_run, pets / "cat" / "3.png", pets / "tree $frog" / "3.png")
    assert [each["label"] for each in found] == ["cat", "tree $frog"]
    assert found[0]["probabilities"].keys() == {*config["labels"]}
    result = json.loads(call("evaluate", pets_run, "--json").stdout)
    assert (result["test_accuracy"], result["labels"]) == (1, config["labels"])
    assert [each["true"] for each in result["samples"]][::5] == ["cat", "tree $frog"]
    text = call("evaluate", pets_run).stdout
    assert "\ntree $frog       2   100.00%" in text


def test_classes_of_other_data_are_found_by_their_names(pets, pets_run):
    arrays = {"x_train": np.zeros((2, 6, 4, 3), np.uint8), "y_train": np.arange(2)}
    arrays["x_test"] = np.zeros((2, 6, 4, 3), np.uint8)
    arrays["x_test"][0, ..., 2] = arrays["x_test"][1, ..., 0] = 200  # a dog and a cat
    np.savez("d.npz", **arrays, y_test=np.arange(2), labels=np.array(["dog", "cat"]))
    result = json.loads(call("evaluate", pets_run, "--data", "d.npz", "--json").stdout)
    assert result["test_accuracy"] == 1
    assert [each["true"] for each in result["samples"]] == ["dog", "cat"]
    np.savez("d.npz", **arrays, y_test=np.arange(2), labels=np.array(["dog", "cow"]))
    stderr = call("evaluate", pets_run, "--data", "d.npz", code=2).stderr
    assert stderr == "fcnn: the data has a class cow, the model knows cat, dog, tree $frog\n"


def test_images_of_another_shape_are_refused(digits, pets_run):
    stderr = call("evaluate", pets_run, "--data", "synthetic", code=2).stderr
    assert "the images of the data are (1, 14, 14), the model was trained on (3, 6, 4)" in stderr
    stderr = call("predict", pets_run, "a.png", "--preparation", "mnist", code=2).stderr
    assert stderr == "fcnn: images of MNIST are (1, 28, 28), the model was trained on (3, 6, 4)\n"


def test_folders_of_pictures_of_all_sizes_are_trained_on_in_one_that_is_asked_for(pets):
    Image.new("RGB", (9, 9), "red").save(pets / "cat" / "large.png")
    try:
        stderr = call("train", "--data", pets, *LINEAR, code=3).stderr
        assert "pictures differ in size" in stderr
        call("train", "--data", pets, *LINEAR, "--image-size", 5, "--out", "run", "--seed", 3)
        config = json.loads(Path("run/config.json").read_text())
        assert (config["in_shape"], config["image_size"]) == ([3, 5, 5], 5)
        metrics = json.loads(Path("run/metrics.json").read_text())
        again = json.loads(call("evaluate", "run", "--json").stdout)
        assert again["test_loss"] == metrics["test_loss"]
        call("train", "--resume", "run", "--epochs", 3)
    finally:
        (pets / "cat" / "large.png").unlink()
    stderr = call("train", *LINEAR, "--image-size", 14, code=2).stderr
    assert "image_size is 14, but the images of mnist5k are (1, 28, 28)" in stderr


def test_what_the_network_saw_is_shown(digits, pets, pets_run):
    picture, _ = page()
    Image.fromarray(picture).save("zero.png")
    result = call("predict", digits, "zero.png", "--show")
    shown = digits / "predictions.png"
    assert str(shown) in result.stdout
    with Image.open(shown) as image:
        assert image.format == "PNG"
    files = [pets / "tree $frog" / f"{i}.png" for i in range(10)]
    call("predict", pets_run, *files, "--show", "--json")
    assert (pets_run / "predictions.png").exists()


def test_without_pillow_or_matplotlib_there_is_a_word_on_what_to_install(digits, monkeypatch):
    picture, label = page()
    np.save("zero.npy", picture)
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    assert "pip install pillow" in call("predict", digits, "zero.png", code=2).stderr
    assert answers(digits, "zero.npy")[0]["label"] == label
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    stderr = call("predict", digits, "zero.npy", "--show", code=2).stderr
    assert "matplotlib cannot be imported" in stderr


def test_runs_on_mnist_of_older_formats_are_of_digits_too(digits, tmp_path):
    content = json.loads((digits / "config.json").read_text())
    assert content["preparation"] == "mnist"
    for key in ("preparation", "labels", "freeze", "image_size"):
        del content[key]
    old = tmp_path / "old"
    old.mkdir()
    (old / "config.json").write_text(json.dumps(content | {"format": 3}))
    (old / "params.npz").write_bytes((digits / "params.npz").read_bytes())
    assert fcnn.load_run(old).config.preparation == "mnist"


def test_a_file_of_a_model_says_what_its_run_says(digits):
    picture, label = page()
    Image.fromarray(picture).save("zero.png")
    run = fcnn.load_run(digits)
    fcnn.save_model("digits.npz", run.model, run.params, (1, 28, 28), preparation="mnist")
    assert answers("digits.npz", "zero.png") == answers(digits, "zero.png")
    assert call("predict", "digits.npz", "zero.png", "--show").stdout.endswith(
        "What the network saw: digits-predictions.png\n"
    )
    assert Path("digits-predictions.png").exists()
    names = ["null", "eins", *"23456789"]
    fcnn.save_model("named.npz", run.model, run.params, (1, 28, 28), labels=names)
    found = answers("named.npz", "zero.png", "--preparation", "mnist")
    assert found[0]["label"] == names[int(label)]
