"""Wrong commands, and wrong files for the functions that read them, each with the exact exit code
or exception and the exact text. Two dots at the end of a text stand for the rest of a message of
Python's, NumPy's or the option parser's, which differ from version to version.
"""

import json
import re
import shutil
from pathlib import Path

import attrs
import numpy as np
import pytest
from typer.testing import CliRunner

import fcnn
from fcnn import data, tree
from fcnn.cli import app
from fcnn.data import DataError
from fcnn.runs.config import RunError

LINES = ("--data", "synthetic", "--epochs", "1", "--model", "linear")
TREE = {"b": np.ones(1), "w": np.ones(2)}
LABELS = np.arange(8) % 3
IMAGES = np.zeros((8, 6, 6), np.uint8)

MODELS = """\
import fcnn
from fcnn import chain, dense, flatten, conv2d

def own(**changed):
    functions = {
        "init": lambda rng, shape: ((), shape),
        "forward": lambda params, x, rng=None: (x, ()),
        "backward": lambda cache, dy: ((), dy),
    }
    return fcnn.Layer("own", **(functions | changed))
def no_layer():
    return 3
def images():
    return conv2d(3)
def narrow():
    return chain(flatten, dense(2))
def raises():
    return undefined
def without_init(classes):
    return chain(flatten, own(init=lambda rng, shape: None), dense(classes))
def raises_in_init(classes):
    return chain(flatten, own(init=lambda rng, shape: ((), shape[7])), dense(classes))
def without_cache(classes):
    return chain(flatten, own(forward=lambda params, x, rng=None: x), dense(classes))
def raises_in_training(classes):
    return chain(flatten, dense(classes), own(forward=lambda params, x, rng=None: x.none))
def without_dx(classes):
    return chain(flatten, dense(classes), own(backward=lambda cache, dy: ((), None)))
def endless(classes):
    return chain(flatten, dense(10**12))
class Stop(BaseException):
    pass
def stops(params=(), x=(), rng=None):
    raise Stop("no further")
def leaves(params=(), x=(), rng=None):
    raise SystemExit(5)
def stops_in_training(classes):
    return chain(flatten, dense(classes), own(forward=stops))
def leaves_in_training(classes):
    return chain(flatten, dense(classes), own(forward=leaves))
"""


def npz(name, **changed):
    arrays = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS} | changed
    np.savez(name, **{key: array for key, array in arrays.items() if array is not None})


def idx(name, array):
    shape = b"".join(size.to_bytes(4, "big") for size in array.shape)
    header = bytes([0, 0, 8, array.ndim]) + shape
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """A folder with good and bad files in it, as the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FCNN_DATA_DIR", raising=False)
    Path("mine.py").write_text(MODELS)
    Path("syntax.py").write_text("def model(:\n")
    Path("text.npz").write_text("not an archive")
    Path("digits.csv").write_text("1,2\n")
    Path("empty").mkdir()
    fractions = IMAGES.astype(float)
    fractions[1, 2, 3] = np.nan
    npz("good.npz")
    npz("lacks.npz", x_test=None, y_test=None)
    npz("nan.npz", x_train=fractions)
    npz("infinite.npz", x_test=np.where(np.isnan(fractions), np.inf, 0))
    npz("bytes_as_floats.npz", x_train=IMAGES + 200.0)
    npz("integers.npz", x_train=IMAGES.astype(int))
    npz("complex.npz", x_train=IMAGES.astype(complex))
    npz("objects.npz", x_train=IMAGES.astype(object))
    np.savez("object_tree.npz", **{"['w']": np.array([{}, {}])})
    npz("vectors.npz", x_train=IMAGES.reshape(8, -1))
    npz("no_images.npz", x_test=IMAGES[:0], y_test=LABELS[:0])
    npz("shapes.npz", x_test=IMAGES[:, :5])
    npz("tiny.npz", x_train=IMAGES[:, :3, :3], x_test=IMAGES[:, :3, :3])
    npz("float_labels.npz", y_train=LABELS * 1.0)
    npz("bool_labels.npz", y_test=LABELS > 0)
    npz("one_hot.npz", y_train=np.eye(8, 3, dtype=int))
    npz("negative.npz", y_train=LABELS - 1)
    npz("huge_label.npz", y_test=LABELS * 10**9)
    npz("few_labels.npz", y_train=LABELS[:3])
    tree.save("tree.npz", TREE)
    np.save("array.npz.npy", np.ones(2))
    Path("array.npz.npy").rename("array.npz")
    for role in ("train-images-idx3", "t10k-images-idx3"):
        idx(f"digits/{role}-ubyte", IMAGES)
        idx(f"short/{role}-ubyte", IMAGES)
    for role in ("train-labels-idx1", "t10k-labels-idx1"):
        idx(f"digits/{role}-ubyte", LABELS)
        idx(f"short/{role}-ubyte", LABELS[:5])
    shutil.copytree("digits", "damaged")
    path = Path("damaged/train-images-idx3-ubyte")
    path.write_bytes(path.read_bytes()[:-7])
    shutil.copytree("digits", "no_idx")
    Path("no_idx/t10k-labels-idx1-ubyte").write_text("<html>Not found</html>")
    shutil.copytree("digits", "incomplete")
    Path("incomplete/t10k-labels-idx1-ubyte").unlink()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    arguments = ["train", *LINES, "--quiet", "--out", str(folder)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    return folder


def said(text):
    """What was said, without the folder, and of the parser's boxes the content alone."""
    text = text.replace(str(Path.cwd().resolve()), "HERE").replace(str(Path.cwd()), "HERE")
    if "Usage: " in text:
        lines = [line.strip("│╭╮╰╯─| ") for line in text.splitlines()]
        text = " ".join(line for line in lines if line and not re.match("Usage|Try|Error", line))
    return text.replace("\\", "/").removesuffix("\n")


def assert_says(text, expected):
    if expected.endswith(" .."):
        assert text.startswith(expected.removesuffix(" .."))
    else:
        assert text == expected


# What is wrong, the command, its exit code, what it says on standard error.
WRONG_COMMANDS = [
    ("no such command", "trian", 2,
     "No such command 'trian' .."),
    ("no such command of data", "data downlod", 2,
     "No such command 'downlod' .."),
    ("no such option", "train --dat synthetic", 2,
     "No such option: --dat .."),
    ("an argument too many", "train digits", 2,
     "Got unexpected extra argument .."),
    ("no run", "evaluate", 2,
     "Missing argument .."),
    ("unknown data", "train --data mnsit", 2,
     "fcnn: load: unknown data 'mnsit'; did you mean 'mnist'? Known: mnist5k, mnist, "
     "synthetic, a folder of IDX files or pictures, or an .npz file"),
    ("data without a name", "train --data=", 2,
     "fcnn: load: unknown data ''. Known: mnist5k, mnist, synthetic, a folder of IDX "
     "files or pictures, or an .npz file"),
    ("an unknown recipe", "train --recipe refrence", 2,
     "fcnn: unknown recipe 'refrence'; did you mean 'reference'? Known: small, fast, best, "
     "tiny, reference"),
    ("an unknown model", "train --model lenet", 2,
     "fcnn: unknown model 'lenet'; did you mean 'lenet5'? Known: mnist_cnn, lines_cnn, "
     "lenet5, deep_cnn, deep_cnn_small, tiny_cnn, linear, or FILE.py:FUNCTION"),
    ("an unknown model to look at", "summary --model mnist_cn", 2,
     "fcnn: unknown model 'mnist_cn'; did you mean 'mnist_cnn'? Known: mnist_cnn, "
     "lines_cnn, lenet5, deep_cnn, deep_cnn_small, tiny_cnn, linear, or FILE.py:FUNCTION"),
    ("an unknown model to measure", "bench --model liner", 2,
     "fcnn: unknown model 'liner'; did you mean 'linear'? Known: mnist_cnn, lines_cnn, "
     "lenet5, deep_cnn, deep_cnn_small, tiny_cnn, linear, or FILE.py:FUNCTION"),
    ("a learning rate of NaN", "train LINES --learning-rate nan", 2,
     "fcnn: learning_rate is nan, expected a finite number of at least 0"),
    ("an infinite learning rate", "train LINES --learning-rate inf", 2,
     "fcnn: learning_rate is inf, expected a finite number of at least 0"),
    ("a negative learning rate", "train LINES --learning-rate=-1", 2,
     "fcnn: learning_rate is -1.0, expected a finite number of at least 0"),
    ("a learning rate in words", "train LINES --learning-rate fast", 2,
     "Invalid value for '--learning-rate': .."),
    ("momentum one", "train LINES --momentum 1", 2,
     "fcnn: momentum is 1.0, expected a number of at least 0 and below 1"),
    ("momentum of NaN", "train LINES --momentum nan", 2,
     "fcnn: momentum is nan, expected a number of at least 0 and below 1"),
    ("no epochs", "train SYN --epochs 0", 2,
     "Invalid value for '--epochs': .."),
    ("half an epoch", "train SYN --epochs 0.5", 2,
     "Invalid value for '--epochs': .."),
    ("batches of none", "train LINES --batch-size 0", 2,
     "Invalid value for '--batch-size': .."),
    ("a batch larger than the data", "train LINES --batch-size 601", 2,
     "fcnn: the batch size is 601, but there are 600 training images"),
    ("a negative seed", "train LINES --seed=-1", 2,
     "Invalid value for '--seed': .."),
    ("no threads", "train LINES --threads 0", 2,
     "Invalid value for '--threads': .."),
    ("more threads than a machine can have", f"train LINES --threads {'9' * 23}", 2,
     f"fcnn: --threads is {'9' * 23}, expected at most 2,147,483,647"),
    ("a checkpoint after no epochs", "train LINES --checkpoint-every 0", 2,
     "Invalid value for '--checkpoint-every': .."),
    ("a run where a file is", "train LINES --out digits.csv", 2,
     "fcnn: digits.csv is a file; choose another folder"),
    ("a run in a folder with other things", "train LINES --out digits", 2,
     "fcnn: digits is not empty: it holds t10k-images-idx3-ubyte, "
     "t10k-labels-idx1-ubyte, train-images-idx3-ubyte"),
    ("no run to go on with", "train --resume nowhere", 2,
     "fcnn: nowhere is not a run: there is no readable config.json in it"),
    ("nothing to go on with", "train --resume empty", 2,
     "fcnn: empty is not a run: there is no readable config.json in it"),
    ("a setting beside a run to go on with", "train --resume run --batch-size 3", 2,
     "fcnn: --resume takes the settings of the run; leave out --batch-size"),
    ("more epochs than its schedule is for", "train --resume run --epochs 3", 2,
     "fcnn: run cannot go on to 3 epochs: its learning rate follows one_cycle over 1; begin a new "
     "run with its parameters: --init run"),
    ("a path that is not there", "train --data nowhere/digits", 3,
     "fcnn: load: nowhere/digits does not exist"),
    ("an archive that is not there", "train --data nowhere.npz", 3,
     "fcnn: load: nowhere.npz does not exist"),
    ("a file of another kind", "train --data digits.csv", 3,
     "fcnn: load: digits.csv is neither a folder nor an .npz file"),
    ("a folder without data", "train --data empty", 3,
     "fcnn: idx_folder: empty holds no complete set of IDX files; missing: "
     "train-images, train-labels, test-images, test-labels (such as "
     "train-images-idx3-ubyte or t10k-labels-idx1-ubyte.gz)"),
    ("a folder that lacks a file", "train --data incomplete", 3,
     "fcnn: idx_folder: incomplete holds no complete set of IDX files; missing: "
     "test-labels (such as train-images-idx3-ubyte or t10k-labels-idx1-ubyte.gz)"),
    ("a file in a folder that is cut off", "train --data damaged", 3,
     "fcnn: damaged/train-images-idx3-ubyte cannot be read: IdxDecodeError: .."),
    ("a page instead of a file", "train --data no_idx", 3,
     "fcnn: no_idx/t10k-labels-idx1-ubyte is not an IDX file: it does not begin like one"),
    ("labels of another number in a folder", "train --data short", 3,
     "fcnn: idx_folder: short: train: 8 inputs, but 5 labels"),
    ("no archive", "train --data text.npz", 3,
     "fcnn: text.npz cannot be read: BadZipFile: .."),
    ("an archive that lacks arrays", "train --data lacks.npz", 3,
     "fcnn: lacks.npz lacks x_test, y_test; it holds x_train, y_train"),
    ("NaN in the images", "train --data nan.npz", 3,
     "fcnn: npz_file: nan.npz: train: images must be finite in float32"),
    ("infinity in the images", "train --data infinite.npz", 3,
     "fcnn: npz_file: infinite.npz: test: images must be finite in float32"),
    ("images up to 255 that are floats", "train --data bytes_as_floats.npz", 3,
     "fcnn: npz_file: bytes_as_floats.npz: train: floats go up to 200, expected 0 to "
     "1; divide them by 255, or give uint8"),
    ("images of integers", "train --data integers.npz", 3,
     "fcnn: npz_file: integers.npz: train: images must be uint8 from 0 to 255 or "
     "floats from 0 to 1, got int64"),
    ("complex images", "train --data complex.npz", 3,
     "fcnn: npz_file: complex.npz: train: images must be uint8 from 0 to 255 or "
     "floats from 0 to 1, got complex128"),
    ("images of objects", "train --data objects.npz", 3,
     "fcnn: x_train in objects.npz cannot be read: ValueError: .."),
    ("images without rows", "train --data vectors.npz", 3,
     "fcnn: npz_file: vectors.npz: train: images must be (N, H, W), or have channels as "
     "a fourth axis, got the shape (8, 36)"),
    ("no test images", "train --data no_images.npz", 3,
     "fcnn: npz_file: no_images.npz: test: no images, the shape (N, C, H, W) is (0, 1, "
     "6, 6)"),
    ("test images of another shape", "train --data shapes.npz", 3,
     "fcnn: npz_file: shapes.npz: training and test images differ in shape (C, H, W): "
     "(1, 6, 6) and (1, 5, 6)"),
    ("float labels", "train --data float_labels.npz", 3,
     "fcnn: npz_file: float_labels.npz: train: labels are float64, expected integer class "
     "indices"),
    ("bool labels", "train --data bool_labels.npz", 3,
     "fcnn: npz_file: bool_labels.npz: test: labels are bool, expected integer class indices"),
    ("one-hot labels", "train --data one_hot.npz", 3,
     "fcnn: npz_file: one_hot.npz: train: labels have shape (8, 3), expected (8,) as (N,)"),
    ("negative labels", "train --data negative.npz", 3,
     "fcnn: npz_file: negative.npz: train: label -1 is below 0"),
    ("a label as large as a number of images", "train --data huge_label.npz", 3,
     "fcnn: npz_file: huge_label.npz: test: a label is 2000000000, but labels number the "
     "classes from 0 on, and with so few images there can be 1,000 at most"),
    ("fewer labels than images", "train --data few_labels.npz", 3,
     "fcnn: npz_file: few_labels.npz: train: 8 inputs, but 3 labels"),
    ("a model too deep for the data", "train --data tiny.npz", 2,
     "fcnn: max_pool2d: the window 2x2 exceeds the image 1x1 with padding 0x0\n"
     "in chain layer 10 (max_pool2d)"),
    ("a model too deep to look at", "summary --data tiny.npz", 2,
     "fcnn: max_pool2d: the window 2x2 exceeds the image 1x1 with padding 0x0\n"
     "in chain layer 10 (max_pool2d)"),
    ("a model too deep to measure", "bench --data tiny.npz", 2,
     "fcnn: max_pool2d: the window 2x2 exceeds the image 1x1 with padding 0x0\n"
     "in chain layer 10 (max_pool2d)"),
    ("a file that is no model", "train SYN --model nowhere.py:model", 2,
     "fcnn: model: there is no file HERE/nowhere.py"),
    ("an unknown function", "train SYN --model mine.py:narow", 2,
     "fcnn: model: HERE/mine.py: unknown function 'narow'; did you mean 'narrow'? "
     "Known: own, no_layer, images, narrow, raises, without_init, raises_in_init, "
     "without_cache, raises_in_training, without_dx, endless, stops, leaves, "
     "stops_in_training, leaves_in_training"),
    ("a function that gives no layer", "train SYN --model mine.py:no_layer", 2,
     "fcnn: model: HERE/mine.py:no_layer returned an int, expected a Layer"),
    ("a model that gives images", "train SYN --model mine.py:images", 2,
     "fcnn: the model HERE/mine.py:images gives outputs (3, 12, 12), the data has 3 "
     "classes"),
    ("a model with too few outputs", "train SYN --model mine.py:narrow", 2,
     "fcnn: the model HERE/mine.py:narrow gives outputs (2,), the data has 3 classes"),
    ("a model that raises", "train SYN --model mine.py:raises", 2,
     "fcnn: model: NameError in line 18 of HERE/mine.py: name 'undefined' is not defined"),
    ("a model that is no Python", "train SYN --model syntax.py:model", 2,
     "fcnn: model: invalid syntax in line 1 of HERE/syntax.py"),
    ("a model with features without end", "summary SYN --model mine.py:endless", 2,
     "fcnn: model: ValueError in line 30 of HERE/mine.py: dense: features is "
     "1000000000000, expected at most 2,147,483,647"),
    ("a layer whose init returns nothing", "summary SYN --model mine.py:without_init", 2,
     "fcnn: own: init must return the tuple (params, out_shape), not None\n"
     "in chain layer 1 (own)"),
    ("a layer whose init raises", "summary SYN --model mine.py:raises_in_init", 2,
     "fcnn: model: IndexError in line 22 of HERE/mine.py: tuple index out of range"),
    ("a layer that returns no cache", "train SYN --model mine.py:without_cache", 1,
     "fcnn: own: forward must return the tuple (output, cache), not an ndarray\n"
     "in chain layer 1 (own)"),
    ("a layer that returns no cache, measured",
     "bench SYN --model mine.py:without_cache --seconds 0", 1,
     "fcnn: own: forward must return the tuple (output, cache), not an ndarray\n"
     "in chain layer 1 (own)"),
    ("a layer that raises", "train SYN --model mine.py:raises_in_training", 1,
     "fcnn: model: AttributeError in line 26 of HERE/mine.py: 'numpy.ndarray' object "
     "has no attribute .."),
    ("a layer that returns no gradient", "train SYN --model mine.py:without_dx", 1,
     "fcnn: own: dx is None, expected a NumPy array\n"
     "in chain layer 2 (own)"),
    ("an archive for a model", "train SYN --model good.npz:f", 2,
     "fcnn: model: HERE/good.npz is no Python: .."),
    ("an archive for a model to look at", "summary SYN --model good.npz:f", 2,
     "fcnn: model: HERE/good.npz is no Python: .."),
    ("a model that stops", "train SYN --model mine.py:stops", 2,
     "fcnn: model: Stop in line 34 of HERE/mine.py: no further"),
    ("a model that ends the process", "bench SYN --model mine.py:leaves", 2,
     "fcnn: model: SystemExit in line 36 of HERE/mine.py: 5"),
    ("a layer that stops", "train SYN --model mine.py:stops_in_training --batch-size 32", 1,
     "fcnn: model: Stop in line 34 of HERE/mine.py: no further"),
    ("a layer that ends the process", "train SYN --model mine.py:leaves_in_training", 1,
     "fcnn: model: SystemExit in line 36 of HERE/mine.py: 5"),
    ("a layer that ends the process, measured",
     "bench SYN --model mine.py:leaves_in_training --seconds 0", 1,
     "fcnn: model: SystemExit in line 36 of HERE/mine.py: 5"),
    ("a batch norm that sees one value of each channel",
     "train --data good.npz --model deep_cnn_small --batch-size 1", 1,
     "fcnn: batch_norm: one value per channel has no variance to normalise by; .."),
    ("a batch norm that does, measured",
     "bench --data good.npz --model deep_cnn_small --batch-size 1 --seconds 0", 1,
     "fcnn: batch_norm: one value per channel has no variance to normalise by; .."),
    ("no run in a folder", "evaluate empty", 2,
     "fcnn: empty is not a run: there is no readable config.json in it"),
    ("a run that is not there", "evaluate nowhere", 2,
     "fcnn: nowhere is not a run: there is no readable config.json in it"),
    ("data that a run does not know", "evaluate run --data mnsit", 2,
     "fcnn: load: unknown data 'mnsit'; did you mean 'mnist'? Known: mnist5k, mnist, "
     "synthetic, a folder of IDX files or pictures, or an .npz file"),
    ("data of another shape than a run's", "evaluate run --data good.npz", 2,
     "fcnn: the images of the data are (1, 6, 6), the model was trained on (1, 14, 14) as "
     "(C, H, W)"),
    ("data with more classes than a run's", "evaluate run --data mnist5k", 2,
     "fcnn: the data has a label 9, the model tells 3 classes apart, from 0 on"),
    ("measuring for a negative time", "bench SYN --seconds=-1", 2,
     "Invalid value for '--seconds': .."),
    ("measuring with batches of none", "bench SYN --batch-size 0", 2,
     "Invalid value for '--batch-size': .."),
    ("measuring with a batch beyond memory", "bench SYN --batch-size 2000000000 --seconds 0", 1,
     "fcnn: out of memory: .."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [row[1:] for row in WRONG_COMMANDS],
    ids=[row[0] for row in WRONG_COMMANDS],
)
def test_a_wrong_command_says_what_is_wrong_and_leaves_no_traceback(command, code, text, finished):
    shutil.copytree(finished, "run")
    command = command.replace("LINES", " ".join(LINES)).replace("SYN", "--data synthetic")
    result = CliRunner().invoke(app, command.split(" "))
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == code
    begun = r"\A\S+, \S+, [\d,]+ parameters, recipe \w+,\s+\S+\n" if code == 1 else r"\A(?!)"
    assert re.sub(begun, "", result.stdout) == ""  # only a run that has begun has said so
    assert_says(said(result.stderr), text)
    if code != 1:  # these are noticed before anything is written
        assert not Path("runs").exists()


CHANGED_MODEL = """
import os
from fcnn import Layer, chain, dense, flatten, relu
def init(rng, shape):
    if "WRONG" in os.environ:
        raise {error}
    return (), shape
def mine(classes):
    own = Layer("own", init, lambda params, x, rng=None: (x, ()), lambda cache, dy: ((), dy))
    return chain(own, flatten, dense(classes))
"""


@pytest.mark.parametrize("error", ["RuntimeError('gone')", "SystemExit(5)"])
@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_model_that_no_longer_works_is_told_by_its_line_wherever_it_is_used(
    error, checkpoint, monkeypatch
):
    Path("changed.py").write_text(CHANGED_MODEL.replace("{error}", error))
    train = ["train", *LINES, "--model", "changed.py:mine", "--out", "run"]
    assert CliRunner().invoke(app, train).exit_code == 0
    monkeypatch.setenv("WRONG", "1")
    told = f"fcnn: .*model: {error.split('(')[0]} in line 6 of .*changed.py"
    evaluated = CliRunner().invoke(app, ["evaluate", "run"])
    Path("run/metrics.json").unlink()
    if not checkpoint:
        Path("run/checkpoint.npz").unlink()
    resumed = CliRunner().invoke(app, ["train", "--resume", "run"])
    for result, code in ((evaluated, 2), (resumed, 1)):
        assert result.exit_code == code
        assert re.match(told, result.stderr)
        assert len(result.stderr.splitlines()) == 1


# What is wrong with a run, the file of it, what becomes of the content, what evaluating it says.
DAMAGED_RUNS = [
    ("no JSON", "config.json", lambda old: old[:-3],
     "fcnn: run/config.json is not readable as JSON: .."),
    ("a list", "config.json", lambda old: b"[]",
     "fcnn: run/config.json is not readable as JSON: it is no object"),
    ("a newer format", "config.json", lambda old: old.replace(b'"format": 6', b'"format": 9'),
     "fcnn: run/config.json has format 9; this version of fcnn reads up to 6"),
    ("a misspelled key", "config.json", lambda old: old.replace(b'"seed"', b'"sede"'),
     "fcnn: run/config.json lacks seed"),
    ("an unknown key", "config.json", lambda old: old.replace(b"{", b'{"epoch": 1,', 1),
     "fcnn: run/config.json: unknown key 'epoch'; did you mean 'epochs'? Known: model, "
     "epochs, batch_size, optimizer, learning_rate, schedule, momentum, weight_decay, "
     "label_smoothing, augmentation, average_decay, validation_fraction, patience, image_size, "
     "freeze, seed, recipe, data, data_hash, network, document, in_shape, classes, init, "
     "init_hash, labels, preparation"),
    ("a rate of NaN", "config.json", lambda old: old.replace(b"0.1", b"NaN", 1),
     "fcnn: run/config.json: learning_rate is nan, expected a finite number of at least 0"),
    ("an unknown model", "config.json", lambda old: old.replace(b'"linear"', b'"linea"'),
     "fcnn: run/config.json: unknown model 'linea'; did you mean 'linear'? Known: mnist_cnn, "
     "lines_cnn, lenet5, deep_cnn, deep_cnn_small, tiny_cnn, linear, or FILE.py:FUNCTION"),
    ("a model in a file that may have come with it", "config.json",
     lambda old: json.dumps(
         json.loads(old) | {"model": "mine.py:images", "document": None}).encode(),
     "fcnn: run/config.json: the model is mine.py:images, expected the file's absolute path "
     "without links, HERE/mine.py:images: code that may have come with a run is not run"),
    ("images of another size", "config.json", lambda old: old.replace(b"14", b"15"),
     "fcnn: run: tree.load: run/params.npz does not fit:\n"
     "  [1].w: float32[196,3], expected float32[225,3]"),
    ("parameters cut off", "params.npz", lambda old: old[:-50],
     "fcnn: run: tree.load: run/params.npz is not a readable .npz file: .."),
    ("empty parameters", "params.npz", lambda old: b"",
     "fcnn: run: tree.load: run/params.npz is not a readable .npz file: .."),
    ("no parameters", "params.npz", lambda old: None,
     "fcnn: run holds no params.npz: the run did not finish; fcnn train --resume run goes on with "
     "it"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [row[1:] for row in DAMAGED_RUNS],
    ids=[row[0] for row in DAMAGED_RUNS],
)
def test_a_damaged_run_is_refused_with_the_file_and_what_is_wrong_in_it(
    name, change, text, finished
):
    shutil.copytree(finished, "run")
    path = Path("run", name)
    content = path.read_bytes()
    changed = change(content)
    assert changed != content
    path.unlink() if changed is None else path.write_bytes(changed)
    result = CliRunner().invoke(app, ["evaluate", "run"])
    assert result.exit_code == 2
    assert_says(said(result.stderr), text)
    with pytest.raises(RunError) as caught:
        fcnn.load_run("run")
    assert_says(f"fcnn: {said(str(caught.value))}", text)


# What is wrong, the command, its text; the exit code is 2.
WRONG_MODELS = [
    ("no data", "evaluate model.npz",
     "fcnn: model.npz is a file of save_model, which names no data: give --data"),
    ("other data", "evaluate model.npz --data good.npz",
     "fcnn: the images of the data are (1, 6, 6), the model was trained on (1, 14, 14) as "
     "(C, H, W)"),
    ("more classes", "evaluate model.npz --data mnist5k",
     "fcnn: the data has a label 9, the model tells 3 classes apart, from 0 on"),
    ("other names", "evaluate named.npz --data names.npz",
     "fcnn: the data has a class other, the model knows a, b, c"),
    ("images", "predict images.npz one.npy",
     "fcnn: images.npz: the model gives outputs (1, 14, 14), expected a number for each class"),
    ("no preparation", "predict model.npz one.npy --preparation mnist",
     "fcnn: images of MNIST are (1, 28, 28), the model was trained on (1, 14, 14)"),
    ("resuming", "train --resume model.npz",
     "fcnn: model.npz is a file, not the folder of a run; a new run can begin with the parameters "
     "of a file of save_model: --init model.npz"),
    ("beginning with text", "train SYN --init text.npz",
     "fcnn: HERE/text.npz: tree.load: HERE/text.npz is not a readable .npz file: .."),
    ("beginning with data", "train SYN --init good.npz",
     "fcnn: HERE/good.npz: tree.load: HERE/good.npz is no file of save_model: there is no "
     "'network' in it"),
    ("evaluating text", "evaluate text.npz",
     "fcnn: load_model: text.npz is not a readable .npz file: .."),
    ("evaluating data", "evaluate good.npz",
     "fcnn: load_model: good.npz is no file of save_model: there is no 'network' in it"),
    ("predicting with data", "predict good.npz one.npy",
     "fcnn: load_model: good.npz is no file of save_model: there is no 'network' in it"),
    ("a summary of data", "summary good.npz",
     "fcnn: load_model: good.npz is no file of save_model: there is no 'network' in it"),
    ("a layer of one's own", "evaluate own.npz --data synthetic",
     "fcnn: load_model: own.npz: the layer own is one of one's own, which a document only names: "
     "give it, as in layers={'own': own}"),
    ("another option", "summary model.npz --model linear",
     "fcnn: RUN takes the settings of the run; leave out --model"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "text"), [row[1:] for row in WRONG_MODELS], ids=[row[0] for row in WRONG_MODELS]
)
def test_a_wrong_file_of_a_model_is_told_in_one_line(command, text, models):
    for path in models.iterdir():
        shutil.copy(path, path.name)
    result = CliRunner().invoke(app, command.replace("SYN", "--data synthetic").split(" "))
    assert isinstance(result.exception, SystemExit)
    assert (result.exit_code, result.stdout) == (2, "")
    assert_says(said(result.stderr), text)
    assert result.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder of files of save_model, and of data that does not fit them."""
    folder = tmp_path_factory.mktemp("models")
    linear, own = fcnn.models.linear(3), attrs.evolve(fcnn.relu, name="own")
    params, _ = linear.init(np.random.default_rng(0), (1, 14, 14))
    fcnn.save_model(folder / "model.npz", linear, params, (1, 14, 14))
    fcnn.save_model(folder / "named.npz", linear, params, (1, 14, 14), labels=["a", "b", "c"])
    fcnn.save_model(folder / "images.npz", fcnn.relu, (), (1, 14, 14))
    fcnn.save_model(folder / "own.npz", own, (), (1, 14, 14))
    np.save(folder / "one.npy", np.zeros((14, 14), np.uint8))
    images = np.zeros((8, 14, 14), np.uint8)
    npz(folder / "names.npz", x_train=images, x_test=images, labels=["a", "b", "other"])
    return folder


# What is wrong, the call, the exception's type, its text.
WRONG_FILES = [
    ("saving no numbers", lambda: tree.save("t.npz", ("a",)), TypeError,
     "tree.save: [0] is not an array of numbers"),
    ("saving objects", lambda: tree.save("t.npz", {"a": np.array([None])}), TypeError,
     "tree.save: ['a'] is not an array of numbers"),
    ("saving nowhere", lambda: tree.save("nowhere/t.npz", TREE), FileNotFoundError,
     "[Errno 2] cannot write nowhere/t.npz: No such file or directory"),
    ("saving to no path", lambda: tree.save(None, TREE), TypeError,
     "tree.save: path is None, expected a path"),
    ("saving to an empty path", lambda: tree.save("", TREE), ValueError,
     "tree.save: path is empty, expected a path"),
    ("loading what is not there", lambda: tree.load("nowhere.npz", TREE), FileNotFoundError,
     "[Errno 2] No such file or directory: 'nowhere.npz'"),
    ("loading a number", lambda: tree.load(3, TREE), TypeError,
     "tree.load: path is an int, expected a path"),
    ("loading a folder", lambda: tree.load("empty", TREE), ValueError,
     "tree.load: empty is not a readable .npz file: .."),
    ("loading a text", lambda: tree.load("text.npz", TREE), ValueError,
     "tree.load: text.npz is not a readable .npz file: .."),
    ("loading a single array", lambda: tree.load("array.npz", TREE), ValueError,
     "tree.load: array.npz is not a readable .npz file: .."),
    ("loading objects", lambda: tree.load("object_tree.npz", {"w": np.ones(2)}), ValueError,
     "tree.load: object_tree.npz is not a readable .npz file: .."),
    ("loading a tree of other paths",
     lambda: tree.load("tree.npz", {"w": np.ones(2), "c": np.ones(3)}), ValueError,
     "tree.load: tree.npz does not fit:\n"
     "  ['c']: missing in the file\n"
     "  ['b']: not expected"),
    ("loading a tree of another shape",
     lambda: tree.load("tree.npz", {"b": np.ones(1), "w": np.ones((2, 1))}), ValueError,
     "tree.load: tree.npz does not fit:\n"
     "  ['w']: float64[2], expected float64[2,1]"),
    ("loading a tree of another dtype",
     lambda: tree.load("tree.npz", {"b": np.ones(1), "w": np.ones(2, np.float32)}), ValueError,
     "tree.load: tree.npz does not fit:\n"
     "  ['w']: float64[2], expected float32[2]"),
    ("data without a name", lambda: data.load(None), TypeError,
     "load: name is None, expected a path"),
    ("data of an unknown name", lambda: data.load("mnist5"), ValueError,
     "load: unknown data 'mnist5'; did you mean 'mnist5k'? Known: mnist5k, mnist, "
     "synthetic, a folder of IDX files or pictures, or an .npz file"),
    ("data in bytes", lambda: data.load(b"mnist5k"), TypeError,
     "load: name is a bytes, expected a path"),
    ("a folder for an archive", lambda: data.npz_file("empty"), DataError,
     "empty cannot be read: .."),
    ("an archive that is not there", lambda: data.npz_file("nowhere.npz"), DataError,
     "nowhere.npz cannot be read: FileNotFoundError: .."),
    ("an empty path to an archive", lambda: data.npz_file(""), ValueError,
     "npz_file: path is empty, expected a path"),
    ("a number for a folder", lambda: data.idx_folder(3), TypeError,
     "idx_folder: directory is an int, expected a path"),
    ("a folder that is not there", lambda: data.idx_folder("nowhere"), DataError,
     "nowhere cannot be read: FileNotFoundError: .."),
    ("a file for a folder", lambda: data.idx_folder("digits.csv"), DataError,
     "digits.csv cannot be read: NotADirectoryError: .."),
    ("an image file cut off", lambda: data.idx_folder("damaged"), DataError,
     "damaged/train-images-idx3-ubyte cannot be read: IdxDecodeError: .."),
    ("MNIST in a folder that lacks it", lambda: data.mnist("empty"), DataError,
     "mnist: the folder empty, given as the directory, lacks train-images-idx3-ubyte, "
     "train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (each may "
     "be gzipped). Put intact files there, or give no directory to use the cache and "
     "the mirrors"),
    ("MNIST in a folder that is not there", lambda: data.mnist("nowhere"), DataError,
     "mnist: the folder nowhere, given as the directory, does not exist; it should hold "
     "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
     "t10k-labels-idx1-ubyte (each may be gzipped). Put intact files there, or give no "
     "directory to use the cache and the mirrors"),
    ("the seed of the lines as a text", lambda: data.synthetic_lines("0"), TypeError,
     "synthetic_lines: seed is '0', expected an int"),
    ("a negative seed of the lines", lambda: data.load("synthetic", seed=-1), ValueError,
     "synthetic_lines: seed is -1, expected at least 0"),
    ("classes of one array", lambda: data.number_of_classes(LABELS), TypeError,
     "number_of_classes: dataset is an ndarray, expected what a loader returns, "
     "(x_train, y_train), (x_test, y_test)"),
    ("classes of no labels",
     lambda: data.number_of_classes(((IMAGES, LABELS), (IMAGES[:0], LABELS[:0]))), ValueError,
     "number_of_classes: labels is empty, N=0, expected at least one example"),
    ("classes of float labels",
     lambda: data.number_of_classes(((IMAGES, LABELS), (IMAGES, LABELS * 0.5))), TypeError,
     "number_of_classes: labels are float64, expected integer class indices"),
    ("a run that is None", lambda: fcnn.load_run(None), TypeError,
     "load_run: folder is None, expected a path"),
    ("a run in a file", lambda: fcnn.load_run("digits.csv"), RunError,
     "digits.csv is not a run: there is no readable config.json in it"),
    ("a run in an empty path", lambda: fcnn.load_run(""), ValueError,
     "load_run: folder is empty, expected a path"),
    ("a checkpoint that is none",
     lambda: fcnn.load_checkpoint("tree.npz", fcnn.models.linear(), fcnn.sgd(0.1)), ValueError,
     "load_checkpoint: tree.npz is not a checkpoint of fcnn"),
    ("a checkpoint for no optimizer",
     lambda: fcnn.load_checkpoint("tree.npz", fcnn.models.linear(), 0.1), TypeError,
     "load_checkpoint: optimizer is a float, expected an Optimizer"),
    ("a checkpoint of parameters", lambda: fcnn.save_checkpoint("c.npz", TREE), TypeError,
     "save_checkpoint: record is a dict, expected an Epoch"),
    ("a checkpoint to no path", lambda: fcnn.save_checkpoint(None, TREE), TypeError,
     "save_checkpoint: path is None, expected a path"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "text"), [row[1:] for row in WRONG_FILES], ids=[row[0] for row in WRONG_FILES]
)
def test_a_wrong_file_gets_an_error_that_says_what_is_wrong(call, error, text):
    before = sorted(Path().rglob("*"))
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert_says(said(str(caught.value)), text)
    assert sorted(Path().rglob("*")) == before


def test_the_files_that_are_good_are_taken_and_a_small_set_is_one_batch():
    for name in ("good.npz", "digits"):
        arguments = ["train", "--data", name, "--model", "linear", "--epochs", "1", "--out", "run"]
        assert CliRunner().invoke(app, arguments).exit_code == 0
        assert fcnn.load_run("run").config.batch_size == len(IMAGES)
        shutil.rmtree("run")
    assert tree.equal(tree.load("tree.npz", TREE), TREE)
