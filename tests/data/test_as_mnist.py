"""as_mnist: pictures of digits, however they were made, as MNIST has them."""

import digit_pictures
import numpy as np
import pytest
from PIL import Image

import fcnn
from fcnn import data
from fcnn.data import as_mnist

(X_TRAIN, Y_TRAIN), (X_TEST, Y_TEST) = data.mnist5k()


def drawn(ink, paper, pen):
    """A digit of MNIST, three times as large, with a pen on paper, uint8."""
    ink = np.pad(np.kron(ink, np.ones((6, 6))), 40)
    return (255 * (paper + (pen - paper) * ink)).astype(np.uint8)


def test_what_mnist_holds_stays_nearly_what_it_is():
    found = np.stack([as_mnist(image) for image in X_TRAIN[:50]])
    assert (found.shape, found.dtype) == ((50, 1, 28, 28), np.float32)
    assert (found.min(), found.max()) == (0, 1)
    differences = np.abs(found - X_TRAIN[:50]).mean(axis=(1, 2, 3))
    assert np.median(differences) < 0.005
    # Some lie one pixel aside, where the centre of mass is between two.
    assert differences.mean() < 0.02


def test_a_digit_is_the_same_in_any_layout_scale_polarity_and_file(tmp_path):
    page = drawn(X_TRAIN[0, 0], paper=0.9, pen=0.1)
    found = as_mnist(page)
    assert np.abs(found - X_TRAIN[0]).mean() < 0.03
    rgb = np.stack([page] * 3)
    opaque = np.concatenate([rgb, np.full_like(rgb[:1], 255)])
    Image.fromarray(page).save(tmp_path / "five.png")
    wide = Image.fromarray(page.astype(np.int32) * 257).convert("I;16")
    pixels = [page / 255, page[..., None], page[None], rgb, np.moveaxis(rgb, 0, 2)]
    files = [tmp_path / "five.png", str(tmp_path / "five.png")]
    pictures = [Image.fromarray(page), wide, *files]
    for other in (*pixels, opaque, opaque[2:], 255 - page, *pictures):
        np.testing.assert_allclose(as_mnist(other), found, atol=0.02)


@pytest.mark.parametrize("pen", [0, 120, 255])
def test_transparent_ink_shows_whatever_its_colour(pen):
    ink = drawn(X_TRAIN[0, 0], paper=0, pen=1)
    picture = np.stack([np.full_like(ink, pen)] * 3 + [ink], axis=2)
    assert np.abs(as_mnist(picture) - as_mnist(ink)).mean() < 0.005


def test_a_page_in_a_transparent_frame_is_a_page():
    page = drawn(X_TRAIN[0, 0], paper=0.9, pen=0.1)
    alpha = np.pad(np.full_like(page, 255), 20)
    framed = np.stack([np.pad(page, 20), alpha], axis=2)
    np.testing.assert_allclose(as_mnist(framed), as_mnist(page), atol=0.05)


def test_specks_are_left_out_and_parts_of_a_digit_are_not():
    page = np.full((300, 300), 240, np.uint8)
    page[100:220, 100:115] = 20
    page[100:115, 130:190] = 20
    expected = as_mnist(page)
    page[20:25, 270:275] = page[280:284, 20:30] = 20
    np.testing.assert_allclose(as_mnist(page), expected, atol=0.02)
    columns = np.flatnonzero(expected[0].any(axis=0))
    assert columns[-1] - columns[0] > 12  # both strokes


def test_a_thin_pen_becomes_a_thick_one():
    page = np.full((400, 400), 240, np.uint8)
    page[50:350, 200:202] = 120
    found = as_mnist(page)[0]
    assert 1.5 < (found > 0.5).sum(axis=1).max() < 4
    assert (found > 0.5).any(axis=1).sum() in (19, 20)


def grown(digit, side=200):
    """A digit of MNIST, (side, side), floats from 0 to 1."""
    picture = Image.fromarray((digit[0] * 255).astype(np.uint8)).resize((side, side), Image.BICUBIC)
    return np.asarray(picture) / 255


def nearly_as_it_is(picture, digit):
    return (
        np.abs(as_mnist(picture) - digit).mean() < 0.12
    )  # what lies one pixel aside is 0.1 from it


@pytest.mark.parametrize("margin", [0, 5, 10, 20])
def test_a_picture_may_be_cut_to_the_ink(margin):
    found = []
    for digit in X_TEST[:20]:
        ink = grown(digit)
        down, across = (np.flatnonzero((ink > 0.2).any(axis)) for axis in (1, 0))
        ink = np.pad(ink[down[0] : down[-1] + 1, across[0] : across[-1] + 1], margin)
        page = (235 - 205 * ink).astype(np.uint8)
        found += [nearly_as_it_is(page, digit), nearly_as_it_is(255 - page, digit)]
    assert np.mean(found) > 0.9


COLOURS = {  # of the pen, and of paper that is about as bright
    "red on green": [(255, 0, 0), (0, 128, 0)],
    "pink on blue": [(255, 182, 193), (173, 216, 230)],
    "green on red": [(60, 130, 60), (200, 60, 60)],
}


@pytest.mark.parametrize("name", COLOURS)
def test_ink_as_bright_as_its_paper_is_found_by_its_colour(name):
    pen, paper = np.array(COLOURS[name], float)
    for digit in X_TEST[:10]:
        ink = np.pad(grown(digit), 50)[..., None]
        assert nearly_as_it_is((paper + (pen - paper) * ink).astype(np.uint8), digit)


@pytest.mark.parametrize(("edge", "table"), [(4, 0), (80, 60), (80, 120), (20, 255)])
def test_a_sheet_on_a_table_or_in_a_frame_is_looked_at_alone(edge, table):
    for digit in X_TEST[:10]:
        sheet = (235 - 205 * np.pad(grown(digit), 60)).astype(np.uint8)
        assert nearly_as_it_is(np.pad(sheet, edge, constant_values=table), digit)


RNG = np.random.default_rng(0)
BLANK = {
    "a sheet on a table": np.pad(np.full((200, 300), 235, np.uint8), 50, constant_values=60),
    "white": np.full((200, 200), 255, np.uint8),
    "transparent": np.zeros((30, 40, 4), np.uint8),
    "noise": RNG.integers(0, 256, (300, 300)).astype(np.uint8),
    "little noise": RNG.integers(0, 256, (20, 20)).astype(np.uint8),
    "one pixel": np.full((1, 1), 3, np.uint8),
    "a gradient": np.tile(np.linspace(0, 1, 256), (100, 1)),
    "paper in uneven light": np.clip(
        np.linspace(0.5, 0.9, 300) + RNG.normal(0, 0.03, (200, 300)), 0, 1
    ),
}


@pytest.mark.parametrize("name", BLANK)
def test_where_there_is_no_ink_there_is_no_digit(name):
    with pytest.raises(ValueError, match="as_mnist: there is no digit in the picture: nothing"):
        as_mnist(BLANK[name])


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ([[0, 1]], TypeError, "image is a list, expected a picture or its path"),
        (np.zeros((0, 3)), ValueError, "image is empty"),
        (np.zeros(9), ValueError, r"the shape \(9,\), expected \(H, W\), \(H, W, C\) or"),
        (np.zeros((3, 9, 3)), ValueError, r"the shape \(3, 9, 3\), expected \(H, W\)"),
        (np.zeros((9, 9, 9)), ValueError, r"the shape \(9, 9, 9\), expected \(H, W\)"),
        (np.zeros((9, 9), int), ValueError, "images must be uint8 .*got int64"),
        (np.full((9, 9), np.nan), ValueError, "images must be finite"),
        (np.full((9, 9), 200.0), ValueError, "floats go up to 200, expected 0 to 1"),
        ("nowhere.png", data.DataError, "nowhere.png cannot be read: FileNotFoundError"),
    ],
)
def test_what_is_no_picture_is_told(image, error, message):
    with pytest.raises(error, match=message):
        as_mnist(image)


@pytest.fixture(scope="module")
def reader():
    """A function from images to digits: a small network trained for a few seconds."""
    model = fcnn.models.lenet5()
    params, _ = model.init(np.random.default_rng(0), (1, 28, 28))
    augment = fcnn.augmentation.affine(rotation=10, scale=0.1, shift=1.5)
    optimizer = fcnn.sgd(fcnn.schedules.one_cycle(0.1, 8 * 79), 0.9)
    train = X_TRAIN, Y_TRAIN
    for record in fcnn.fit(  # noqa: B007
        model, params, optimizer, train, epochs=8, batch_size=64, seed=0, augment=augment
    ):
        pass
    return lambda images: fcnn.predict(model, record.params, images).argmax(1)


def test_at_least_55_of_60_pictures_of_test_digits_are_read_right(reader):
    pictures, labels = digit_pictures.sixty(X_TEST, Y_TEST, seed=0)
    found = reader(np.stack([as_mnist(picture) for picture in pictures]))
    wrong = [(digit_pictures.KINDS[i % 6], labels[i], found[i]) for i in range(60)
             if labels[i] != found[i]]  # fmt: skip
    assert len(wrong) <= 5, wrong
