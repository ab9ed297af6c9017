"""Augmentation: exactly what it does to an image, and what all of it keeps to."""

import math

import numpy as np
import pytest
from loops import bilinear_warp, gaussian_filter

import fcnn
from fcnn import augmentation
from fcnn.augmentation import affine, affine_warp, compose, elastic, noise, random_erasing
from fcnn.augmentation.elastic_distortion import smooth
from fcnn.augmentation.random_affine import map_to_source
from fcnn.numerics.arrays import as_images, batch_innermost

AUGMENTATIONS = {
    "shift": augmentation.shift(2.5),
    "rotation": augmentation.rotation(30),
    "scale": augmentation.scale(0.3),
    "shear": augmentation.shear(0.3),
    "affine": affine(rotation=12, scale=0.1, shear=0.1, shift=2.5),
    "elastic": elastic(20, 3),
    "random_erasing": random_erasing(0.9),
    "noise": noise(0.1),
    "compose": compose(affine(rotation=12), elastic(8, 2), random_erasing(0.5), noise(0.1)),
}
every_augmentation = pytest.mark.parametrize("name", AUGMENTATIONS)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def images(n=6, shape=(2, 9, 12), dtype=np.float32, seed=0):
    return np.random.default_rng(seed).random((n, *shape)).astype(dtype)


def augmented(name, x, seed=0):
    return AUGMENTATIONS[name](np.random.default_rng(seed), x)


def warped(x, *, angle=0.0, growth=0.0, slant=0.0, move=(0.0, 0.0)):
    """All images warped alike."""
    n = len(x)
    drawn = (np.full(n, value, float) for value in (angle, growth, slant))
    return affine_warp(x, *map_to_source(*drawn, np.full((n, 2), move, float)))


@every_augmentation
@both_dtypes
def test_images_of_any_memory_order_give_new_images_of_the_same_form(name, dtype):
    x = images(dtype=dtype)
    before = x.copy()
    orders = [
        x,
        np.asfortranarray(x),
        as_images(batch_innermost(x)),
        np.repeat(x, 2, 0)[::2],
        np.concatenate([x, x], 3)[..., :12],
        np.flip(np.flip(x, 2).copy(), 2),
    ]
    for order in orders:
        order.flags.writeable = False
        y = augmented(name, order)
        assert (y.shape, y.dtype) == (x.shape, dtype)
        assert batch_innermost(y).base is not None
        assert y.transpose(2, 1, 3, 0).flags.c_contiguous
        assert y.flags.writeable
        assert not np.shares_memory(y, order)
        assert np.array_equal(y, augmented(name, x))
    assert np.array_equal(x, before)
    assert not np.array_equal(augmented(name, x), x)


@every_augmentation
def test_the_same_generator_gives_the_same_images_and_another_does_not(name):
    x = images()
    assert np.array_equal(augmented(name, x, 1), augmented(name, x, 1))
    assert not np.array_equal(augmented(name, x, 1), augmented(name, x, 2))
    rng = np.random.default_rng(1)
    first, second = (AUGMENTATIONS[name](rng, x) for _ in range(2))
    assert not np.array_equal(first, second)


@every_augmentation
def test_each_image_is_drawn_by_itself_and_has_nothing_of_the_others(name):
    x = images()
    y = augmented(name, x)
    alike = augmented(name, np.repeat(x[:1], 6, 0))
    assert len({image.tobytes() for image in alike[:, 0]}) == 6
    others = images(seed=1)
    for i in range(len(x)):
        others[i] = x[i]
        assert np.array_equal(augmented(name, others)[i], y[i])
        others[i] = 0


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "compose"])
def test_images_that_follow_change_nothing(name):
    # Elastic fields are products with all images at once: the same to rounding.
    x = images()
    y = augmented(name, x)
    assert np.allclose(augmented(name, x[:4]), y[:4], rtol=1e-5, atol=1e-6)


@every_augmentation
def test_one_image_and_one_pixel_will_do(name):
    for shape in [(1, 1, 1), (3, 1, 5), (1, 7, 1)]:
        y = augmented(name, images(1, shape))
        assert y.shape == (1, *shape)
        assert np.isfinite(y).all()


@both_dtypes
@pytest.mark.parametrize(
    "augment", [affine(), elastic(alpha=0), random_erasing(0), noise(0), compose()]
)
def test_without_strength_images_stay_as_they_are_to_the_last_bit(augment, dtype):
    for shape in [(1, 28, 28), (3, 9, 12), (1, 8, 1)]:
        x = images(4, shape, dtype) - dtype(0.5)
        assert np.array_equal(augment(np.random.default_rng(0), x), x)


@both_dtypes
@pytest.mark.parametrize("move", [(2, 0), (0, -3), (-1, 4), (8, 11), (9, 0), (0, 12), (-40, 50)])
def test_a_shift_by_whole_pixels_is_a_roll_with_zeros(move, dtype):
    x = images(dtype=dtype)
    padded = np.pad(x, ((0, 0), (0, 0), (60, 60), (60, 60)))
    expected = np.roll(padded, move, (2, 3))[:, :, 60:-60, 60:-60]
    assert np.array_equal(warped(x, move=move), expected)


def test_half_a_pixel_is_the_mean_of_two():
    x = images()
    y = warped(x, move=(0, 0.5))
    assert np.allclose(y[..., 1:], (x[..., :-1] + x[..., 1:]) / 2)
    assert np.allclose(y[..., 0], x[..., 0] / 2)


@both_dtypes
@pytest.mark.parametrize("side", [8, 9])
@pytest.mark.parametrize("quarters", [1, 2, 3, -1])
def test_quarter_turns_are_those_of_rot90(quarters, side, dtype):
    x = images(3, (2, side, side), dtype)
    y = warped(x, angle=quarters * math.pi / 2)
    assert np.allclose(y, np.rot90(x, quarters, (2, 3)), atol=100 * np.finfo(dtype).eps)


def test_scale_and_shear_are_about_the_centre():
    rows, columns = np.mgrid[:9, :11] - np.array([4.0, 5.0])[:, None, None]
    x = np.stack([rows, columns])[None]  # the value of a pixel is where it is
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    larger = warped(x, growth=0.25)
    assert np.allclose(larger[inside], x[inside] / 1.25)
    slanted = warped(x, slant=0.5)[..., 2:-2]
    assert np.allclose(slanted[0, 0], rows[:, 2:-2])
    assert np.allclose(slanted[0, 1], (columns + 0.5 * rows)[:, 2:-2])  # the top moves right


def test_slant_comes_first_then_size_then_the_turn_and_the_move_last():
    rng = np.random.default_rng(0)
    angle, growth, slant = rng.uniform(-0.3, 0.3, (3, 5))
    move = rng.uniform(-3, 3, (5, 2))
    matrix, offset = map_to_source(angle, growth, slant, move)
    for n in range(5):
        i, j = p = rng.uniform(-5, 5, 2)
        j -= slant[n] * i
        i, j = i * (1 + growth[n]), j * (1 + growth[n])
        c, s = math.cos(angle[n]), math.sin(angle[n])
        i, j = c * i - s * j + move[n, 0], s * i + c * j + move[n, 1]
        assert np.allclose(matrix[n] @ (i, j) + offset[n], p)


@both_dtypes
@pytest.mark.parametrize("shape", [(1, 28, 28), (2, 5, 13), (1, 40, 3)])
def test_warps_agree_with_slow_loops(shape, dtype):
    rng = np.random.default_rng(0)
    x = images(4, shape, dtype)
    matrix = np.eye(2) + rng.normal(0, 0.4, (4, 2, 2))
    offset = rng.normal(0, 3, (4, 2))
    y = affine_warp(x, matrix, offset)
    tolerance = 2e-5 if dtype == np.float32 else 1e-12
    assert np.abs(y - bilinear_warp(x, matrix, offset)).max() < tolerance


def test_many_images_are_warped_as_few_are():
    # More pixels than are done at a time: several groups of rows, the last one smaller.
    x = images(200, (1, 28, 28))
    rng = np.random.default_rng(0)
    matrix, offset = rng.normal(size=(200, 2, 2)), rng.normal(size=(200, 2))
    y = affine_warp(x, matrix, offset)
    for n in (0, 77, 199):
        alone = affine_warp(x[n : n + 1], matrix[n : n + 1], offset[n : n + 1])
        assert np.array_equal(y[n : n + 1], alone)


def test_amounts_are_uniform_up_to_their_strengths():
    # A wide smooth spot: what happened to it can be read from its moments.
    grid = np.mgrid[:41, :41] - 20.0
    spot = np.exp(-(grid[0] ** 2 / 60 + grid[1] ** 2 / 15))
    x = np.repeat(spot[None, None], 800, 0)

    def moments(augment):
        y = augment(np.random.default_rng(0), x)[:, 0]
        mass = y.sum((1, 2))
        centre = np.einsum("nij,kij->kn", y, grid) / mass
        d = grid[:, None] - centre[:, :, None, None]
        spread = np.einsum("nij,knij,lnij->kln", y, d, d) / mass
        return mass / spot.sum(), centre, spread

    def assert_uniform(values, most, within=0.02):
        for extreme in (values.max(), -values.min()):
            assert extreme == pytest.approx(most, rel=within)
        assert abs(values.mean()) < 0.1 * most
        assert values.std() == pytest.approx(most / math.sqrt(3), rel=0.05)

    _, centre, spread = moments(augmentation.shift(2.5))
    assert_uniform(centre[0], 2.5)
    assert_uniform(centre[1], 2.5)
    assert abs(np.corrcoef(centre)[0, 1]) < 0.15
    mass, centre, _ = moments(augmentation.scale(0.1))
    assert_uniform(np.sqrt(mass) - 1, 0.1, within=0.05)
    assert np.abs(centre).max() < 1e-6
    _, centre, spread = moments(augmentation.rotation(12))
    angle = 0.5 * np.arctan2(2 * spread[0, 1], spread[0, 0] - spread[1, 1])
    assert_uniform(np.degrees(angle), 12)
    _, centre, spread = moments(augmentation.shear(0.2))
    assert_uniform(-spread[0, 1] / spread[0, 0], 0.2)
    # and all of it in one warp is the same draws
    mass, centre, spread = moments(affine(rotation=12, scale=0.1, shift=2.5))
    assert_uniform(np.sqrt(mass) - 1, 0.1, within=0.05)
    assert_uniform(centre[0], 2.5)


def test_smoothing_agrees_with_slow_loops():
    fields = np.random.default_rng(0).normal(size=(3, 2, 7, 11))
    for sigma in (0.5, 2.0, 6.0):
        assert np.allclose(
            as_fields(smooth(fields, sigma)), gaussian_filter(fields, sigma), atol=1e-12
        )


def as_fields(smoothed):
    return smoothed.transpose(3, 0, 1, 2)  # (K, H, W, N) -> (N, K, H, W)


def test_elastic_moves_pixels_as_far_as_it_says():
    # On a slope, the value of a pixel is where it comes from.
    rows, columns = np.mgrid[:61, :61].astype(float)
    x = np.repeat(np.stack([rows, columns])[None], 200, 0)
    moved = (elastic(34, 4)(np.random.default_rng(0), x) - x)[:, :, 16:-16, 16:-16]
    expected = 34 / (4 * math.sqrt(12 * math.pi))
    assert moved[:, 0].std() == pytest.approx(expected, rel=0.1)
    assert moved[:, 1].std() == pytest.approx(expected, rel=0.1)
    assert abs(moved.mean()) < 0.15
    down, across = moved[:, 0].ravel(), moved[:, 1].ravel()
    assert abs(np.corrcoef(down, across)[0, 1]) < 0.15
    # Smooth: two fields of noise that share a Gaussian differ by exp(-d^2 / (4 sigma^2)).
    near = np.corrcoef(moved[:, 0, :, :-4].ravel(), moved[:, 0, :, 4:].ravel())[0, 1]
    assert near == pytest.approx(math.exp(-16 / 64), abs=0.05)


def test_erased_rectangles_have_the_areas_sides_and_places_that_were_asked_for():
    n, H, W = 3000, 40, 30
    augment = random_erasing(0.75, area=(0.05, 0.2), aspect=0.5, value=-1)
    x = images(n, (2, H, W))
    y = augment(np.random.default_rng(0), x)
    hidden = y == -1
    assert np.array_equal(y[~hidden], x[~hidden])
    assert np.array_equal(hidden[:, 0], hidden[:, 1])
    hidden = hidden[:, 0]
    some = hidden.any((1, 2))
    assert some.mean() == pytest.approx(0.75, abs=0.03)
    height, width = hidden.any(2).sum(1)[some], hidden.any(1).sum(1)[some]
    area = hidden.sum((1, 2))[some]
    assert np.array_equal(area, height * width)  # one full rectangle each
    assert 0.04 < (area / (H * W)).min() < 0.07
    assert 0.18 < (area / (H * W)).max() < 0.22
    assert (area / (H * W)).mean() == pytest.approx(0.125, abs=0.005)
    ratio = np.log(height / width)
    assert ratio.min() == pytest.approx(-math.log(2), abs=0.12)
    assert ratio.max() == pytest.approx(math.log(2), abs=0.12)
    assert abs(ratio.mean()) < 0.05
    # Places: a rectangle of h x w lies in each of the (H - h + 1)(W - w + 1) places as often.
    top, left = hidden.any(2).argmax(1)[some], hidden.any(1).argmax(1)[some]
    assert set(top[height == 10]) == set(range(H - 10 + 1))
    for first, room in ((top, H - height), (left, W - width)):
        assert (first <= room).all()
        assert (first / room).mean() == pytest.approx(0.5, abs=0.03)


def test_a_rectangle_may_cover_everything():
    y = random_erasing(1.0, area=(1, 1), aspect=0.01)(np.random.default_rng(0), images(50))
    assert (y == 0).any((1, 2, 3)).all()
    y = random_erasing(1.0, area=(1, 1), aspect=1.0)(np.random.default_rng(0), images(5, (1, 6, 6)))
    assert not y.any()


@both_dtypes
def test_noise_is_normal_and_not_clipped(dtype):
    x = images(40, (1, 28, 28), dtype)
    added = (noise(0.25)(np.random.default_rng(0), x) - x).ravel()
    assert added.std() == pytest.approx(0.25, rel=0.02)
    assert abs(added.mean()) < 0.01
    assert (np.abs(added) < 0.25).mean() == pytest.approx(0.683, abs=0.01)


def test_augmentations_compose_from_first_to_last():
    x = images()
    rng, again = np.random.default_rng(0), np.random.default_rng(0)
    first, second = elastic(8, 2), augmentation.shift(1.5)
    expected = second(again, first(again, x))
    assert np.array_equal(compose(first, second)(rng, x), expected)
    assert np.array_equal(compose(compose(first), compose(), second)(np.random.default_rng(0), x),
                          expected)  # fmt: skip


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "compose"])
def test_what_are_no_images_or_no_generator_is_refused(name):
    function = name if name in ("elastic", "random_erasing", "noise") else "affine"
    rng = np.random.default_rng(0)
    augment = AUGMENTATIONS[name]
    with pytest.raises(TypeError, match=f"{function}: images is uint8, expected float32 or"):
        augment(rng, np.zeros((1, 1, 5, 5), np.uint8))
    with pytest.raises(ValueError, match=rf"{function}: images has 3 axes \(1, 5, 5\), expected 4"):
        augment(rng, np.zeros((1, 5, 5)))
    with pytest.raises(ValueError, match=f"{function}: images is empty, N=0"):
        augment(rng, np.zeros((0, 1, 5, 5)))
    with pytest.raises(TypeError, match=f"{function}: rng is an int, expected a Generator"):
        augment(0, np.zeros((1, 1, 5, 5)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: affine(rotation=-1), r"affine: rotation is -1\.0, expected finite and at least 0"),
        (lambda: affine(scale=math.nan), "affine: scale is nan"),
        (lambda: affine(scale=1.0), r"affine: scale is 1\.0, expected below 1"),
        (lambda: affine(shear=-1), "affine: shear is -1"),
        (lambda: affine(shift=math.inf), "affine: shift is inf"),
        (lambda: elastic(alpha=-1), "elastic: alpha is -1"),
        (lambda: elastic(sigma=0), r"elastic: sigma is 0\.0, expected finite and above 0"),
        (lambda: elastic(sigma=math.nan), "elastic: sigma is nan"),
        (lambda: random_erasing(1.5), "random_erasing: probability is 1.5"),
        (lambda: random_erasing(area=(0.5, 0.1)), r"random_erasing: area is \(0\.5, 0\.1\)"),
        (lambda: random_erasing(area=(0, 0.1)), r"random_erasing: area is \(0, 0\.1\)"),
        (lambda: random_erasing(aspect=0), "random_erasing: aspect is 0"),
        (lambda: random_erasing(value=math.nan), "random_erasing: value is nan"),
        (lambda: noise(-1), "noise: deviation is -1"),
        (lambda: affine_warp(images(2), np.eye(2)[None], np.zeros((2, 2))),
         r"affine_warp: matrix \(1, 2, 2\) and offset \(2, 2\), expected \(2, 2, 2\)"),
        (lambda: affine_warp(images(1), np.eye(2)[None], np.array([[0, math.nan]])),
         "affine_warp: matrix and offset are not finite"),
    ],
)  # fmt: skip
def test_senseless_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: affine(rotation="12"), "affine: rotation is '12', expected a number"),
        (lambda: augmentation.shift(None), "affine: shift is None, expected a number"),
        (lambda: elastic("34"), "elastic: alpha is '34', expected a number"),
        (lambda: elastic(34, True), "elastic: sigma is True, expected a number"),
        (lambda: random_erasing(None), "random_erasing: probability is None, expected a number"),
        (lambda: random_erasing(area=0.1), "random_erasing: area is 0.1, expected two numbers"),
        (lambda: random_erasing(area="ab"), "random_erasing: area is 'ab', expected two numbers"),
        (lambda: random_erasing(aspect="1"), "random_erasing: aspect is '1', expected a number"),
        (lambda: random_erasing(value="0"), "random_erasing: value is '0', expected a number"),
        (lambda: noise([1]), r"noise: deviation is \[1\], expected a number"),
    ],
)
def test_settings_that_are_no_numbers_are_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_only_functions_are_composed():
    with pytest.raises(TypeError, match="compose: augmentation 1 is an int, expected a function"):
        compose(noise(0.1), 3)


def test_augmented_digits_are_still_digits():
    # A network trained on plain digits still knows most of the augmented ones.
    (x, labels), _ = fcnn.data.mnist5k()
    model = fcnn.chain(fcnn.flatten, fcnn.dense(10))
    params, _ = model.init(np.random.default_rng(0), (1, 28, 28))
    *_, last = fcnn.fit(
        model, params, fcnn.sgd(0.1), (x, labels), epochs=3, batch_size=50, seed=0, threads=1
    )

    def right(images):
        return (fcnn.predict(model, last.params, images).argmax(1) == labels).mean()

    mild = compose(affine(rotation=8, scale=0.05, shift=0.5), elastic(15, 4))
    plain, changed = right(x), right(mild(np.random.default_rng(0), x))
    assert 0.75 < changed < plain
