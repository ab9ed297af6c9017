"""What save_script writes: a Python file that needs NumPy alone, read, run and imported."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from effort import times
from models_to_write import LAYERS, MODELS, drawn
from threadpoolctl import threadpool_info
from wrong_calls import MODEL, PARAMS, refuses

import fcnn
from fcnn import tree
from fcnn.data.dataset import scaled
from fcnn.exchange import network_source, save_script

IN_SHAPE = (1, 5, 5)
DTYPES = {"float32": 2e-5, "float64": 1e-12}


def written(folder, model, params=None, in_shape=IN_SHAPE, **options):
    """The text of the file."""
    if params is None:
        params, _ = model.init(np.random.default_rng(0), in_shape)
    path = folder / "digits.py"
    save_script(path, model, params, in_shape, **options)
    return path.read_text(encoding="utf-8")


def imported(text):
    """What is in a script that is imported."""
    namespace = {"__name__": "digits"}
    exec(compile(text, "digits.py", "exec"), namespace)
    return namespace


def in_dtype(case, dtype):
    return tree.map(lambda a: a.astype(dtype), case.params)


def gives_the_outputs_of_predict(folder, case, dtype, counts=(1, 3)):
    """Whether the script does, for so many examples."""
    params = in_dtype(case, dtype)
    text = written(folder, case.model, params, case.in_shape)
    of_script = imported(text)["predict"]
    dtype = dtype if tree.leaves(params) else "float32"
    for n in counts:
        x = case.x(n).astype(dtype)
        before, expected = x.copy(), fcnn.predict(case.model, params, x)
        found = of_script(x)
        assert np.array_equal(x, before)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        largest = max(1, np.abs(expected).max())
        np.testing.assert_allclose(found, expected, rtol=0, atol=DTYPES[dtype] * largest)
    return is_tidy(text)


def is_tidy(text):
    """Whether a script reads as one that is written by hand: NumPy alone, short lines, and nothing
    that is not used.
    """
    lines, module = text.splitlines(), ast.parse(text, feature_version=(3, 9))
    assert max(map(len, lines)) <= 100
    assert not any(line != line.rstrip() for line in lines)
    assert "\n\n\n\n" not in text
    used, defined, packages = set(), set(), set()
    for node in ast.walk(module):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else defined).add(node.id)
        elif isinstance(node, ast.FunctionDef):
            defined.add(node.name)
            assert ast.get_docstring(node)
        elif isinstance(node, ast.Import):
            packages |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            packages.add(node.module)
        if isinstance(node, ast.Import | ast.ImportFrom):
            defined |= {alias.asname or alias.name for alias in node.names}
    assert defined - used <= {"predict", "annotations", "_"}
    return {name.split(".")[0] for name in packages} - sys.stdlib_module_names == {"numpy"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_each_layer_gives_the_outputs_of_predict(tmp_path, case, dtype):
    assert gives_the_outputs_of_predict(tmp_path, case, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", MODELS, ids=str)
def test_each_model_gives_the_outputs_of_predict(tmp_path, case, dtype):
    assert gives_the_outputs_of_predict(tmp_path, case, dtype, counts=(1, 64, 150))


@pytest.mark.heavy
@pytest.mark.parametrize("dtype", DTYPES)
def test_drawn_networks_give_the_outputs_of_predict(tmp_path, dtype):
    for seed in range(times(100)):
        assert gives_the_outputs_of_predict(tmp_path, drawn(seed), dtype)


# How it reads

NESTED = fcnn.chain(
    fcnn.conv2d(4, (2, 3), padding="same", dilation=(3, 1), groups=2, bias=False),
    fcnn.batch_norm(epsilon=0.25),
    fcnn.residual(
        fcnn.chain(fcnn.dropout(0.5), fcnn.conv2d(4, 1), fcnn.residual(fcnn.leaky_relu(0.5)))
    ),
    fcnn.parallel(
        fcnn.chain(fcnn.relu, fcnn.sigmoid),
        fcnn.chain(),
        fcnn.parallel(fcnn.tanh, fcnn.gelu, merge="add"),
    ),
    fcnn.chain(fcnn.relu, fcnn.max_pool2d(2)),
    fcnn.avg_pool2d(2, padding=1),
    fcnn.global_avg_pool,
    fcnn.dense(3, bias=False),
    fcnn.dense(2),
    fcnn.softmax,
)
NETWORK = '''\
def network(x: np.ndarray) -> np.ndarray:
    """The outputs (N, 2) of examples (N, 2, 6, 7); pooling before relu, which is the same."""
    x = conv2d(x, P["0.w"], padding=(1, 2, 1, 1), dilation=(3, 1), groups=2)  # (N, 4, 6, 7)
    x = batch_norm(x, P["1.scale"], P["1.shift"], P["1.mean"], P["1.var"], epsilon=0.25)

    # Residual: x is kept, and added below
    y = conv2d(x, P["2.1.w"], P["2.1.b"])

    # Residual: y is kept, and added below
    y_2 = leaky_relu(y, slope=0.5)
    y = y + y_2

    x = x + y

    # Branches: each begins with x
    branch_1 = relu(x)
    branch_1 = sigmoid(branch_1)

    # Branches: each begins with x
    branch_4 = tanh(x)
    branch_5 = gelu(x)
    branch_3 = branch_4 + branch_5

    x = np.concatenate([branch_1, x, branch_3], axis=1)  # (N, 12, 6, 7)

    x = max_pool2d(x, window=(2, 2), stride=(2, 2))  # (N, 12, 3, 3)
    x = relu(x)
    x = avg_pool2d(x, window=(2, 2), stride=(2, 2), padding=(1, 1, 1, 1))  # (N, 12, 2, 2)
    x = global_avg_pool(x)  # (N, 12)
    x = dense(x, P["7.w"])  # (N, 3)
    x = dense(x, P["8.w"], P["8.b"])  # (N, 2)
    x = softmax(x)
    return x'''


def test_a_network_is_written_out_layer_by_layer(tmp_path):
    text = written(tmp_path, NESTED, in_shape=(2, 6, 7))
    begin = text.index("def network")
    assert text[begin : text.index("\n\n\n", begin)] == NETWORK


@pytest.mark.parametrize("merge", ["add", "concatenate"])
@pytest.mark.parametrize("branches", [7, 8, 9, 25])
def test_many_branches_are_merged_on_many_lines(tmp_path, branches, merge):
    model = fcnn.parallel(*branches * [fcnn.tanh], merge=merge)
    assert is_tidy(written(tmp_path, model, in_shape=(10, 28, 28)))


def test_functions_are_those_that_the_network_needs(tmp_path):
    def functions(model, in_shape):
        module = ast.parse(written(tmp_path, model, in_shape=in_shape))
        return [node.name for node in module.body if isinstance(node, ast.FunctionDef)]

    rest = ["predict", "set_blas_threads", "main", "probabilities", "images_in", "as_batch"]
    linear = ["dense", "flatten", "softmax", "network", *rest, "parameters"]
    assert functions(fcnn.models.linear(), (1, 28, 28)) == linear
    assert functions(fcnn.relu, (2, 3)) == ["relu", "network", "predict", "set_blas_threads"]
    assert "softmax" not in functions(fcnn.dense(1), (3,))
    found = functions(fcnn.chain(fcnn.conv2d(2), fcnn.gelu), (1, 3, 3))
    assert {"gelu", "erf", "polynomial", "conv2d", "padded"} < {*found}
    assert "pooled" not in found


def test_it_says_what_it_is_and_how_it_is_used(tmp_path):
    text = written(tmp_path, MODEL, preparation="mnist")
    docstring = ast.get_docstring(ast.parse(text))
    for part in (
        f"A network of 104 parameters, written by fcnn {fcnn.__version__}. It needs NumPy alone.",
        "from digits import predict\n    y = predict(x)  # (N, 4) of x (N, 1, 5, 5), float32",
        "python digits.py image.npy ...",
        "(5, 5), (1, 5, 5) or (N, 1, 5, 5), bytes from 0 to 255 or floats from 0 to 1",
        "like those of MNIST",
    ):
        assert part in docstring
    assert "MNIST" not in written(tmp_path, MODEL)


@pytest.mark.parametrize("name", ['a"""b.py', "a b.py", "a-b.py", "a\nb.py", "größe", "1.py"])
def test_a_name_of_a_file_that_is_no_module_stays_out_of_it(tmp_path, name):
    save_script(tmp_path / name, MODEL, PARAMS, IN_SHAPE)
    docstring = ast.get_docstring(ast.parse((tmp_path / name).read_text()))
    assert "from model import predict" in docstring
    assert "python model.py image.npy" in docstring


LABELS = ['"""', "'''\"", "\\", "größe \N{GRINNING FACE} {x} %s"]


def test_labels_are_no_code(tmp_path):
    text = written(tmp_path, MODEL, labels=LABELS)
    assert imported(text)["LABELS"] == tuple(LABELS)
    assert is_tidy(text)


@pytest.mark.parametrize("labels", [[f"class {i}" for i in range(40)], ["a long name " * 30]])
def test_long_labels_are_on_many_lines(tmp_path, labels):
    text = written(tmp_path, fcnn.dense(len(labels)), in_shape=(2,), labels=labels)
    assert imported(text)["LABELS"] == tuple(labels)
    assert is_tidy(text)


def test_without_names_classes_are_numbered(tmp_path):
    assert imported(written(tmp_path, MODEL))["LABELS"] == ("0", "1", "2", "3")


def test_the_same_model_is_the_same_file(tmp_path):
    assert written(tmp_path, MODEL, PARAMS) == written(tmp_path, MODEL, PARAMS)


def test_a_small_network_is_a_small_file(tmp_path):
    model = fcnn.chain(fcnn.conv2d(8), fcnn.relu, fcnn.flatten, fcnn.dense(5))
    params, _ = model.init(np.random.default_rng(0), (1, 18, 18))
    assert 10_000 < sum(a.size for a in tree.leaves(params)) < 11_000
    assert len(written(tmp_path, model, params, (1, 18, 18))) < 100_000


def test_outputs_that_are_no_classes_have_no_command_line(tmp_path):
    for model in (fcnn.relu, fcnn.chain(fcnn.flatten, fcnn.dense(1))):
        text = written(tmp_path, model)
        assert is_tidy(text)
        assert "python" not in text
        assert "__main__" not in text


# predict


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        (np.zeros((2, 1, 5, 5)), TypeError,
         "predict: x is float64, expected float32: x.astype(np.float32)"),
        (np.zeros((2, 1, 5, 5), np.uint8), TypeError,
         "predict: x is uint8, expected float32: x.astype(np.float32)"),
        (np.zeros((1, 5, 5), np.float32), ValueError,
         "predict: x has the shape (1, 5, 5), expected (N, 1, 5, 5)"),
        (np.zeros((2, 1, 5, 6), np.float32), ValueError,
         "predict: x has the shape (2, 1, 5, 6), expected (N, 1, 5, 5)"),
        (np.zeros((0, 1, 5, 5), np.float32), ValueError,
         "predict: x has the shape (0, 1, 5, 5), expected (N, 1, 5, 5)"),
        (np.float32(3), ValueError, "predict: x has the shape (), expected (N, 1, 5, 5)"),
    ],
)  # fmt: skip
def test_predict_refuses_what_does_not_fit(tmp_path, x, error, text):
    predict = imported(written(tmp_path, MODEL))["predict"]
    refuses(lambda: predict(x), error, text)


def blas_threads():
    """How many the BLAS of NumPy uses; SciPy, which other tests load, brings another."""
    return [
        library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas" and "scipy.libs" not in library["filepath"]
    ]


def test_layers_get_one_thread_of_blas_and_others_what_they_had(tmp_path):
    before = blas_threads()
    script = imported(written(tmp_path, MODEL))
    seen = []
    script["network"] = lambda x: (seen.extend(blas_threads()), x)[1]
    x = np.zeros((100, *IN_SHAPE), np.float32)
    threads = [Thread(target=script["predict"], args=[x]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == 8 * len(before) * [1]
    assert blas_threads() == before


def test_blas_gets_its_threads_back_after_an_error(tmp_path):
    before = blas_threads()
    script = imported(written(tmp_path, MODEL))
    script["network"] = lambda x: 1 / 0
    with pytest.raises(ZeroDivisionError):
        script["predict"](np.zeros((100, *IN_SHAPE), np.float32))
    assert blas_threads() == before


# The command line


@pytest.fixture
def numpy_alone(tmp_path):
    """A folder with NumPy and nothing else."""
    folder = tmp_path / "packages"
    folder.mkdir()
    for package in Path(np.__file__).parents[1].glob("numpy*"):
        (folder / package.name).symlink_to(package)
    return folder


def run(folder, *arguments, code=0):
    """Run Python beside a folder, with the packages in it and no others."""
    kept = {name: value for name, value in os.environ.items() if name in ("SYSTEMROOT", "PATH")}
    done = subprocess.run(
        [sys.executable, "-S", "-s", "-W", "error", *map(str, arguments)],
        env={**kept, "PYTHONPATH": str(folder), "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=folder.parent,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


def test_it_needs_numpy_alone(tmp_path, numpy_alone):
    written(tmp_path, MODEL, PARAMS)
    x = np.random.default_rng(0).random((70, *IN_SHAPE), np.float32)
    np.save(tmp_path / "x.npy", x)
    for lacking in ("attrs", "fcnn"):
        told = run(numpy_alone, "-c", f"import {lacking}", code=1).stderr
        assert f"No module named '{lacking}'" in told
    run(
        numpy_alone,
        "-c",
        "import digits, numpy; numpy.save('y.npy', digits.predict(numpy.load('x.npy')))",
    )
    expected = fcnn.predict(MODEL, PARAMS, x)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, rtol=0, atol=2e-5)


def line(place, logits, labels="0123"):
    """What is said of an image."""
    p = fcnn.softmax_forward(logits[None])[0][0]
    likeliest = np.argsort(-p, kind="stable")[:3]
    return f"{place}: " + ", ".join(f"{labels[k]} {p[k]:.1%}" for k in likeliest) + "\n"


def test_the_likeliest_classes_of_images_are_printed(tmp_path, numpy_alone):
    written(tmp_path, MODEL, PARAMS, labels=LABELS)
    x = np.random.default_rng(0).integers(0, 256, (3, 1, 5, 5)).astype(np.uint8)
    y = fcnn.predict(MODEL, PARAMS, (x / 255).astype(np.float32))
    np.save(tmp_path / "one.npy", x[0, 0])
    np.save(tmp_path / "many.npy", x / 255)
    found = run(numpy_alone, "digits.py", "one.npy", "many.npy").stdout
    answers = {"one.npy": y[0], "many.npy[0]": y[0], "many.npy[1]": y[1], "many.npy[2]": y[2]}
    assert found == "".join(line(place, logits, LABELS) for place, logits in answers.items())


def test_wrong_files_are_told_and_the_others_answered(tmp_path, numpy_alone):
    written(tmp_path, MODEL, PARAMS)
    x = np.zeros((1, *IN_SHAPE), np.float32)
    np.save(tmp_path / "good.npy", x)
    np.save(tmp_path / "shape.npy", x[0, 0, :3])
    np.savez(tmp_path / "archive.npz", x)
    (tmp_path / "text.npy").write_text("no array")
    files = ["lacking.npy", "shape.npy", "archive.npz", "text.npy", "good.npy", "packages"]
    done = run(numpy_alone, "digits.py", *files, code=3)
    assert done.stdout == line("good.npy", fcnn.predict(MODEL, PARAMS, x)[0])
    told = done.stderr.splitlines()
    assert told[:2] == [
        "lacking.npy: No such file or directory",
        "shape.npy: its shape is (3, 5), expected (1, 5, 5) or many of these",
    ]
    assert [text.split(":")[0] for text in told] == [file for file in files if file != "good.npy"]


def test_without_files_it_says_how_it_is_used(tmp_path, numpy_alone):
    written(tmp_path, MODEL)
    told = run(numpy_alone, "digits.py", code=2)
    assert (told.stdout, told.stderr) == ("", "usage: python digits.py image.npy ...\n")
    assert run(numpy_alone, "digits.py", "--help").stdout.startswith("A network of 104 parameters")


@pytest.fixture
def images_in(tmp_path):
    """What a script, for images of a shape, makes of an array in a file."""

    def read(array, in_shape=(3, 5, 6)):
        model = fcnn.chain(fcnn.flatten, fcnn.dense(3))
        script = imported(written(tmp_path, model, in_shape=in_shape))
        np.save(tmp_path / "x.npy", array)
        return script["images_in"](str(tmp_path / "x.npy"))

    return read


RNG = np.random.default_rng(0)
GREY, COLOURED = RNG.random((4, 1, 5, 6), np.float32), RNG.random((4, 3, 5, 6), np.float32)
VECTORS = RNG.random((4, 7), np.float32)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (GREY, GREY), (GREY[0], GREY[:1]), (GREY[0, 0], GREY[:1]), (GREY[:, 0], GREY),
        (GREY[:1, 0], GREY[:1]), (np.moveaxis(GREY, 1, 3), GREY),
        (COLOURED, COLOURED), (COLOURED[0], COLOURED[:1]),
        (np.moveaxis(COLOURED, 1, 3), COLOURED), (np.moveaxis(COLOURED[0], 0, 2), COLOURED[:1]),
        (VECTORS, VECTORS), (VECTORS[0], VECTORS[:1]), (GREY.astype(">f8"), GREY),
    ],
)  # fmt: skip
def test_images_may_have_these_shapes(images_in, array, expected):
    found = images_in(array, expected.shape[1:])
    assert found.dtype == np.float32
    assert np.array_equal(found, expected)


def test_bytes_are_scaled_as_fcnn_scales_them(images_in):
    array = RNG.integers(0, 256, (2, 3, 5, 6)).astype(np.uint8)
    assert np.array_equal(images_in(array), scaled("", array))


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (COLOURED[:, :2], "its shape is (4, 2, 5, 6), expected (3, 5, 6) or many of these"),
        (COLOURED[:0], "its shape is (0, 3, 5, 6), expected (3, 5, 6) or many of these"),
        (COLOURED[None], "its shape is (1, 4, 3, 5, 6), expected (3, 5, 6) or many of these"),
        (COLOURED[0, 0], "its shape is (5, 6), expected (3, 5, 6) or many of these"),
        (np.zeros((3, 5, 6), np.int64),
         "its numbers are int64, expected uint8 up to 255 or floats up to 1"),
        (COLOURED * np.float32(np.nan), "its numbers must be finite"),
        (COLOURED.astype(float) * 1e300, "its numbers must be finite"),
        (0 * COLOURED + 255, "its floats go up to 255, expected 1: divide them by 255"),
        (np.array([{}] * 3), "Object arrays cannot be loaded when allow_pickle=False"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_refused(images_in, array, text):
    refuses(lambda: images_in(array), ValueError, text)


def test_probabilities_of_softmax_are_taken_as_they_are(tmp_path):
    model = fcnn.chain(MODEL, fcnn.chain(fcnn.softmax))
    script = imported(written(tmp_path, model))
    x = RNG.random((3, *IN_SHAPE), np.float32)
    assert np.array_equal(script["probabilities"](x), script["predict"](x))
    script = imported(written(tmp_path, MODEL, PARAMS))
    expected = fcnn.softmax_forward(fcnn.predict(MODEL, PARAMS, x))[0]
    np.testing.assert_allclose(script["probabilities"](x), expected, atol=1e-6)


def test_only_classes_with_a_name_are_told(tmp_path, capsys):
    script = imported(written(tmp_path, MODEL, labels=["cat", "dog"]))
    np.save(tmp_path / "x.npy", np.zeros(IN_SHAPE, np.uint8))
    assert script["main"]([str(tmp_path / "x.npy")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'x.npy'}: cat 25.0%, dog 25.0%\n"


def test_what_would_be_read_back_otherwise_is_not_written(tmp_path, monkeypatch):
    path = tmp_path / "digits.py"
    path.write_bytes(b"before")
    monkeypatch.setitem(network_source._SETTINGS, "leaky_relu", lambda layer: {"slope": 0.9})
    with pytest.raises(ValueError, match=r"^save_script: nothing is written: .* apart from those"):
        save_script(path, fcnn.leaky_relu(0.5), (), (3,))
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("digits.py", b"before")]
