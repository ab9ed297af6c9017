"""`fcnn export`: a trained network in other formats."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import call

import fcnn
from fcnn import data
from fcnn.runs import results

FORMATS = {"model": ".npz", "safetensors": ".safetensors", "onnx": ".onnx", "script": ".py"}


def outputs(format, file, run, x):
    """What a network gives for images, as it comes back from a file."""
    match format:
        case "model":
            saved = fcnn.load_model(file)
            assert (saved.in_shape, saved.preparation) == ((1, 28, 28), "mnist")
        case "safetensors":
            params = fcnn.exchange.load_safetensors(file, run.model, (1, 28, 28))
            return fcnn.predict(run.model, params, x)
        case "onnx":
            saved = fcnn.exchange.load_onnx(file)
            assert saved.preparation == "mnist"
        case "script":
            namespace = {"__name__": "digits"}
            exec(compile(Path(file).read_text(), file, "exec"), namespace)
            return namespace["predict"](x)
    return fcnn.predict(saved.model, saved.params, x)


@pytest.mark.parametrize("format", FORMATS)
def test_a_run_is_written_into_its_folder_and_comes_back(digits, format):
    told = call("export", digits, format).stdout
    file = digits / f"model{FORMATS[format]}"
    first, second = told.splitlines()
    assert first.startswith(f"Wrote {file}, ")
    assert first.endswith(" kB.")
    assert second.startswith("Read back, ")
    run = fcnn.load_run(digits)
    x = data.mnist5k()[1][0][:20]
    found = outputs(format, file, run, x)
    assert np.abs(found - fcnn.predict(run.model, run.params, x)).max() < 2e-5


def model_in(page):
    text = Path(page).read_text()
    return json.loads(
        text.split('<script type="application/json" id="model">')[1].split("</script>")[0]
    )


def test_a_page_has_images_of_the_test_set_some_read_right_and_some_wrong(digits):
    call("export", digits, "page")
    samples = model_in(digits / "model.html")["samples"]
    x = np.frombuffer(base64.b64decode(samples["images"]), np.uint8).reshape(samples["shape"])
    run = fcnn.load_run(digits)
    found = fcnn.predict(run.model, run.params, (x / 255).astype(np.float32)).argmax(1)
    assert samples["labels"][:10] == list(range(10))
    assert (found[:10] == range(10)).all()
    assert len(found) == 14
    assert (found[10:] != samples["labels"][10:]).all()


def test_a_page_of_a_file_has_the_images_that_one_says(digits):
    call("export", digits, "model", "--out", "digits.npz")
    call("export", "digits.npz", "page")
    assert "samples" not in model_in("digits.html")
    call("export", "digits.npz", "page", "--data", "mnist5k")
    assert len(model_in("digits.html")["samples"]["labels"]) == 14
    told = call("export", "digits.npz", "page", "--data", "synthetic", code=2).stderr
    assert told.startswith("fcnn: the images of the data are (1, 14, 14), the model was trained on")
    told = call("export", "digits.npz", "onnx", "--data", "mnist5k", code=2).stderr
    assert told == "fcnn: --data is for images on a page, not for onnx\n"


def test_a_file_of_save_model_is_written_beside_itself_or_where_one_says(digits):
    call("export", digits, "model", "--out", "digits.npz")
    call("export", "digits.npz", "onnx")
    assert Path("digits.onnx").is_file()
    Path("folder").mkdir()
    call("export", "digits.npz", "model", "--out", "folder")
    assert Path("folder/digits.npz").read_bytes() == Path("digits.npz").read_bytes()
    call("export", digits, "model", "--out", "folder")
    assert Path("folder/model.npz").is_file()


def test_the_script_is_a_program(digits):
    call("export", digits, "script", "--out", "digits.py")
    x, labels = data.mnist5k()[1]
    np.save("image.npy", x[0])
    done = subprocess.run(
        [sys.executable, "digits.py", "image.npy"], capture_output=True, text=True, check=True
    )
    assert str(labels[0]) in done.stdout


def test_a_network_does_not_take_its_own_place(digits):
    call("export", digits, "model", "--out", "digits.npz")
    told = call("export", "digits.npz", "model", code=2).stderr
    assert told == ("fcnn: digits.npz is the file that is to be exported; name another by --out\n")


@pytest.mark.parametrize("name", results.FILES_OF_RUNS)
def test_no_file_of_a_run_is_replaced(digits, name):
    before = {file: file.read_bytes() for file in digits.iterdir()}
    call("export", digits, "model", "--out", "digits.npz")
    for place in (digits, "digits.npz"):
        told = call("export", place, "onnx", "--out", digits / name, code=2).stderr
        assert told.startswith(f"fcnn: {digits / name} is a file of the run")
    assert {file: file.read_bytes() for file in digits.iterdir()} == before


def test_a_program_beside_a_file_is_replaced_only_where_it_is_named(digits):
    call("export", digits, "model", "--out", "digits.npz")
    Path("digits.py").write_text("mine")
    told = call("export", "digits.npz", "script", code=2).stderr
    assert told.startswith("fcnn: digits.py is there already, and no script of fcnn")
    assert Path("digits.py").read_text() == "mine"
    call("export", "digits.npz", "script", "--out", "digits.py")
    call("export", "digits.npz", "script")  # over what was exported


def test_a_place_that_is_no_file_and_no_folder_is_refused(digits):
    told = call("export", digits, "onnx", "--out", "folder/", code=2).stderr
    assert told == "fcnn: --out is folder/, but there is no such folder\n"
    told = call("export", digits, "onnx", "--out", "", code=2).stderr
    assert told.startswith("fcnn: export: --out is empty")
    assert not Path("folder").exists()


def test_what_is_no_network_is_refused_in_one_line():
    Path("text.npz").write_text("no archive")
    for run in ("nowhere", "text.npz"):
        told = call("export", run, "onnx", code=2).stderr
        assert told.startswith("fcnn: ")
        assert told.count("\n") == 1


def test_without_the_extra_it_says_what_to_install(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    told = call("export", digits, "onnx", "--out", "digits.onnx", code=2).stderr
    assert "pip install 'fcnn[onnx]'" in told
    assert not Path("digits.onnx").exists()
