"""What a person does on the page: draw, choose, look into a number, take a step."""

import base64
import io

import numpy as np
import pytest
from answers import READY, answer
from axe_playwright_python.sync_playwright import Axe
from drawn_digits import DIGITS, draw
from PIL import Image
from playwright.sync_api import expect

import fcnn
from fcnn import data, tree

MINUS, NOTHING = "\N{MINUS SIGN}", "\N{EN DASH}"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
IN_COLOUR = fcnn.chain(
    fcnn.conv2d(4, 3, padding=1), fcnn.relu, fcnn.residual(fcnn.conv2d(4, 3, padding="same")),
    fcnn.parallel(fcnn.max_pool2d(2), fcnn.avg_pool2d(2)), fcnn.flatten, fcnn.dense(3),
)  # fmt: skip


@pytest.fixture(scope="session")
def digits():
    """A network that was trained on digits for a short time, and its parameters."""
    train, test = data.mnist5k()
    model = fcnn.models.deep_cnn_small()
    params, _ = model.init(np.random.default_rng(0), (1, 28, 28))
    settings = {"epochs": 4, "batch_size": 50, "seed": 0}
    augment = fcnn.augmentation.affine(rotation=10, scale=0.1, shift=2)
    *_, last = fcnn.fit(model, params, fcnn.adam(3e-3), train, augment=augment, **settings)
    assert fcnn.evaluate(model, last.params, *test).accuracy > 0.95
    return model, last.params


@pytest.fixture
def page(open_page, digits):
    _, (x, labels) = data.mnist5k()
    return open_page(*digits, (1, 28, 28), preparation="mnist", samples=(x[:6], labels[:6]))


@pytest.fixture
def colours(open_page):
    """A page of a network that sees pictures in colour."""
    params, _ = IN_COLOUR.init(np.random.default_rng(0), (3, 6, 6))
    x = np.random.default_rng(1).random((3, 3, 6, 6)).astype(np.float32)
    labels = ["cat", "dog", "frog"]
    return open_page(IN_COLOUR, params, (3, 6, 6), labels=labels, samples=(x, np.arange(3)))


def seen(page):
    """The image that the network sees."""
    program = "() => { fcnn.forward(state.x); return [...state.x]; }"
    return np.array(page.evaluate(program)).reshape(28, 28)


def probabilities(page):
    return page.evaluate("() => [...document.querySelectorAll('.bar')].map((bar) => bar.innerText)")


def backward(page, label):
    page.check("input[value=backward]")
    page.select_option("#target", label)
    expect(page.locator("#loss")).not_to_have_text(NOTHING)
    page.wait_for_selector(READY)


def test_drawn_digits_are_read(page):
    found = {}
    for digit in DIGITS:
        page.click("#clear")
        draw(page, digit)
        found[digit] = answer(page)
    assert sum(digit == read for digit, read in found.items()) >= 8, found


def test_what_is_drawn_is_prepared_as_fcnn_prepares_pictures(page):
    for digit in ("2", "4", "1"):
        page.click("#clear")
        draw(page, digit)
        answer(page)
        address = page.evaluate("() => document.querySelector('#pad').toDataURL()")
        picture = Image.open(io.BytesIO(base64.b64decode(address.split(",")[1])))
        expected = data.as_mnist(picture)[0]
        assert np.abs(seen(page) - expected).mean() < 0.03


def test_the_points_of_a_stroke_are_joined(page):
    page.click("#clear")
    box = page.locator("#pad").bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 50, box["y"] + box["height"] - 20)  # at one leap
    page.mouse.up()
    answer(page)
    assert (seen(page)[4:24].max(axis=1) > 0.5).all()


def test_bars_of_classes_with_long_and_short_names_have_one_scale(open_page):
    model = fcnn.chain(fcnn.flatten, fcnn.dense(2))
    params, _ = model.init(np.random.default_rng(0), (1, 3, 3))
    page = open_page(model, params, (1, 3, 3), labels=["of a long name, and a longer one", "z"])
    tracks = "() => [...document.querySelectorAll('.track')].map((track) => track.offsetWidth)"
    wide, same = page.evaluate(tracks)
    assert wide == same > 0


def test_clear_and_undo(page):
    page.click("#clear")
    page.wait_for_selector("#answer[data-state=empty]")
    draw(page, "1")
    answer(page)
    before = seen(page)
    draw(page, "7")
    answer(page)
    assert not np.array_equal(seen(page), before)
    page.click("#undo")
    answer(page)
    assert np.array_equal(seen(page), before)
    page.click("#undo")
    page.wait_for_selector("#answer[data-state=empty]")
    assert page.get_attribute("#answer", "data-label") == ""


def test_a_finger_draws_too(open_page, digits):
    page = open_page(*digits, (1, 28, 28), preparation="mnist", context=PHONE)
    assert (
        page.evaluate("() => getComputedStyle(document.querySelector('#pad')).touchAction")
        == "none"
    )
    page.locator("#pad").tap(position={"x": 100, "y": 100})
    assert answer(page)
    assert seen(page).max() > 0.9


def test_samples_are_chosen_by_keyboard(page, digits):
    _, (x, _) = data.mnist5k()
    expected = fcnn.predict(*digits, x[:6]).argmax(1)
    for i in (3, 1):
        page.focus(f"#samples button:nth-child({i + 1})")
        page.keyboard.press("Enter")
        assert answer(page) == str(expected[i])
        assert page.get_attribute(f"#samples button:nth-child({i + 1})", "aria-pressed") == "true"


def test_a_pixel_is_written_out_and_its_window_framed(page):
    answer(page)
    maps = page.locator("article[data-place='0'] .picture canvas").first
    maps.focus()
    for key in ["PageDown"] * 2 + ["ArrowDown"] * 14 + ["ArrowRight"] * 11:
        page.keyboard.press(key)
    explanation = page.locator("article[data-place='0'] .explanation")
    value = page.evaluate("() => fcnn.forward(state.x).layers[0].values[(2 * 28 + 14) * 28 + 11]")
    text = explanation.inner_text().replace(MINUS, "-")
    assert text.startswith("y[2, 14, 11] = ")
    assert float(text.split(" = ")[1].split(",")[0]) == pytest.approx(value, rel=0.01)
    assert explanation.locator("table").count() == 3
    marks = page.evaluate("() => [...state.marks.get('x')]")
    assert sorted(marks) == [28 * i + j for i in (13, 14, 15) for j in (10, 11, 12)]


def test_every_layer_explains_an_element_in_both_directions(colours):
    for mode in ("forward", "backward"):
        colours.check(f"input[value={mode}]")
        answer(colours)
        if mode == "backward":
            backward(colours, "1")
        for article in colours.locator("article.layer").all():
            article.locator(".picture canvas").first.click(position={"x": 9, "y": 9})
            if (mode, article.get_attribute("data-place")) != ("forward", "x"):
                assert " = " in article.locator(".explanation .sum").inner_text()


def test_an_explanation_is_of_the_image_and_the_parameters_as_they_are_now(colours):
    backward(colours, "1")
    last = colours.locator("article.layer").last
    last.locator(".picture canvas").first.click(position={"x": 5, "y": 5})
    told = set()
    for change in ("#samples button:nth-child(2)", "#samples button:nth-child(3)", "#step"):
        colours.click(change)
        answer(colours)
        text = last.locator(".explanation .sum").inner_text()
        p = colours.evaluate("() => state.found.values.probabilities[0]")
        assert text.startswith(f"dy[0] = p {MINUS} onehot = ")
        assert float(text.split(" = ")[2].split()[0]) == pytest.approx(p, rel=0.01)
        told.add(text)
    assert len(told) == 3


def test_a_weight_is_written_out(colours):
    backward(colours, "2")
    colours.locator("article[data-place='0'] .kernels canvas").first.click(
        position={"x": 4, "y": 4}
    )
    text = colours.locator("article[data-place='0'] .explanation .sum").inner_text()
    grads = colours.evaluate("() => [...fcnn.backward(state.x, 2).params['[0].w']]")
    told = float(text.replace(MINUS, "-").split(" = ")[1].split(",")[0])
    assert text.startswith("dw[0, 0, 0, 0] = ")
    assert told == pytest.approx(grads[0], rel=0.01)


def test_a_step_lowers_the_loss_again_and_again_until_it_is_taken_back(page):
    answer(page)
    untouched = probabilities(page)
    backward(page, "3")
    losses = [float(page.inner_text("#loss"))]
    for _ in range(3):
        before = page.inner_text("#loss")
        page.click("#step")
        expect(page.locator("#loss")).not_to_have_text(before)
        losses.append(float(page.inner_text("#loss").replace(MINUS, "-")))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    assert "Step 3: 3 had " in page.inner_text("#steps")
    page.click("#reset")
    page.check("input[value=forward]")
    page.wait_for_selector(READY)
    assert probabilities(page) == untouched


def test_the_loss_is_that_of_numpy(page, digits):
    answer(page)
    backward(page, "3")
    model, params = digits
    x = page.evaluate("() => [...state.x]")
    logits = fcnn.predict(
        model,
        tree.map(lambda leaf: leaf.astype(np.float64), params),
        np.array(x).reshape(1, 1, 28, 28),
    )
    expected, _ = fcnn.softmax_cross_entropy_forward(logits, np.array([3]))
    assert float(page.inner_text("#loss")) == pytest.approx(expected, rel=0.01)


def test_other_pictures_have_an_upload_and_no_pad(colours, tmp_path):
    labels = ["cat", "dog", "frog"]
    assert not colours.is_visible("#pad")
    picture = tmp_path / "green.png"
    Image.new("RGB", (30, 20), (0, 255, 0)).save(picture)
    colours.set_input_files("#upload", picture)
    expect(colours.locator("#samples button[aria-pressed=true]")).to_have_count(0)
    assert answer(colours) in labels
    assert colours.evaluate("() => [state.x[0], state.x[36], state.x[72]]") == [0, 1, 0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("mode", ["forward", "backward"])
def test_nothing_is_in_the_way_of_anybody(open_page, digits, scheme, mode):
    _, (x, labels) = data.mnist5k()
    page = open_page(
        *digits, (1, 28, 28), preparation="mnist", samples=(x[:6], labels[:6]),
        context={"color_scheme": scheme},
    )  # fmt: skip
    answer(page)
    page.check(f"input[value={mode}]")
    page.locator("article[data-place='4'] .picture canvas").first.click(position={"x": 9, "y": 9})
    found = Axe().run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("mode", ["forward", "backward"])
def test_a_phone_needs_no_scroll_bar_sideways(open_page, digits, mode):
    _, (x, labels) = data.mnist5k()
    page = open_page(
        *digits, (1, 28, 28), preparation="mnist", samples=(x[:6], labels[:6]), context=PHONE
    )
    answer(page)
    page.check(f"input[value={mode}]")
    page.locator("article[data-place='4'] .picture canvas").first.click(position={"x": 9, "y": 9})
    assert page.evaluate("() => document.documentElement.scrollWidth") == 360


def test_motion_can_be_done_without(open_page, digits):
    page = open_page(
        *digits, (1, 28, 28), preparation="mnist", context={"reduced_motion": "reduce"}
    )
    duration = "() => getComputedStyle(document.querySelector('.fill')).transitionDuration"
    assert page.evaluate(duration) == "0s"
