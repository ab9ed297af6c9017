"""A page in the browser: what it computes, of itself alone."""

import numpy as np
import pytest
from answers import answer

import fcnn
from fcnn import tree

MODEL = fcnn.chain(
    fcnn.conv2d(3, 3, padding=1), fcnn.batch_norm(), fcnn.relu, fcnn.flatten, fcnn.dense(4)
)
IN_SHAPE = (2, 5, 4)
X = np.random.default_rng(1).random((6, *IN_SHAPE)).astype(np.float32)


@pytest.fixture
def params():
    return MODEL.init(np.random.default_rng(0), IN_SHAPE)[0]


def logits_in(page, x):
    return np.array(page.evaluate("(x) => Array.from(fcnn.forward(x).logits)", x.ravel().tolist()))


def test_the_page_computes_what_the_network_does(params, open_page):
    page = open_page(MODEL, params, IN_SHAPE)
    expected = fcnn.predict(MODEL, params, X)
    assert np.allclose([logits_in(page, x) for x in X], expected, atol=1e-5)
    assert page.evaluate("() => fcnn.shape") == [*IN_SHAPE]
    kinds = page.evaluate("() => fcnn.network.children.map(({ layer }) => layer)")
    assert kinds == ["conv2d", "batch_norm", "relu", "flatten", "dense"]


def test_parameters_in_float64_are_cast(params, open_page):
    wide = tree.map(lambda p: p.astype(np.float64), params)
    page = open_page(MODEL, wide, IN_SHAPE)
    assert np.allclose(logits_in(page, X[0]), fcnn.predict(MODEL, params, X)[0], atol=1e-5)


def test_a_step_is_one_of_plain_sgd_and_reset_takes_it_back(params, open_page):
    page = open_page(MODEL, params, IN_SHAPE)
    before = logits_in(page, X[0])
    step = "(x) => fcnn.step(fcnn.backward(x, 2).params, 0.1)"
    for _ in range(3):
        page.evaluate(step, X[0].ravel().tolist())
        # In inference, in which the page is: with the statistics of the parameters.
        _, cache = MODEL.forward(params, X[:1])
        _, loss_cache = fcnn.softmax_cross_entropy_forward(
            fcnn.predict(MODEL, params, X[:1]), np.array([2])
        )
        grads, _ = MODEL.backward(cache, fcnn.softmax_cross_entropy_backward(loss_cache))
        params = tree.map(lambda p, g: p - np.float32(0.1) * g, params, grads)
    assert np.allclose(logits_in(page, X[0]), fcnn.predict(MODEL, params, X[:1])[0], atol=1e-4)
    assert not np.allclose(logits_in(page, X[0]), before, atol=0.1)
    page.evaluate("() => fcnn.reset()")
    assert np.array_equal(logits_in(page, X[0]), before)


@pytest.mark.parametrize("label", ["4", "-1", "1.5", "'2'", "undefined"])
def test_a_label_that_is_none_is_refused(label, params, open_page):
    page = open_page(MODEL, params, IN_SHAPE)
    program = f"(x) => {{ try {{ fcnn.backward(x, {label}); }} catch (e) {{ return `${{e}}`; }} }}"
    told = page.evaluate(program, X[0].ravel().tolist())
    assert told == f"RangeError: label is {label.strip(chr(39))}, expected a number from 0 to 3"


def test_what_was_seen_is_explained_with_the_parameters_it_was_seen_with(params, open_page):
    page = open_page(MODEL, params, IN_SHAPE)
    program = """(x) => {
        const { logits } = fcnn.forward(x), before = fcnn.explain("4", 1);
        fcnn.step(fcnn.backward(x, 0).params, 1);
        return [logits[1], before.sum, fcnn.explain("4", 1).sum, before.terms.length];
    }"""
    logit, before, after, terms = page.evaluate(program, X[0].ravel().tolist())
    assert abs(logit - before) < 1e-5
    assert before == after
    assert terms == 60


def test_labels_are_shown_as_they_are_whatever_is_in_them(params, open_page):
    labels = ["</script>", "<!--", "a & b", 'ü "漢"']
    predicted = fcnn.predict(MODEL, params, X).argmax(1)
    page = open_page(MODEL, params, IN_SHAPE, labels=labels, samples=(X, predicted))
    for n, label in enumerate(predicted):
        page.locator("#samples button").nth(n).click()
        assert answer(page) == labels[label]


@pytest.mark.parametrize(
    ("attempt", "directive"),
    [
        ("fetch('https://example.org').catch(() => 0)", "connect-src"),
        ("new Image().src = 'https://example.org/dot.png'", "img-src"),
        ("document.body.append(Object.assign(document.createElement('script'), "
         "{ src: 'https://example.org/code.js' }))", "script-src-elem"),
    ],
)  # fmt: skip
def test_nothing_can_be_fetched(attempt, directive, params, browser, tmp_path):
    fcnn.exchange.save_page(tmp_path / "page.html", MODEL, params, IN_SHAPE)
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    violated = """new Promise((done) => {
        document.addEventListener("securitypolicyviolation", (e) => done(e.effectiveDirective));
        ATTEMPT;
    })"""
    assert page.evaluate(violated.replace("ATTEMPT", attempt)) == directive
    page.close()


def test_the_page_of_deep_cnn_small_is_small(open_page, tmp_path):
    model = fcnn.models.deep_cnn_small()
    params, _ = model.init(np.random.default_rng(0), (1, 28, 28))
    page = open_page(model, params, (1, 28, 28), preparation="mnist")
    assert (tmp_path / "page0.html").stat().st_size < 400_000
    own = "[...document.querySelectorAll('script:not([type]), style')].map((e) => e.textContent)"
    assert sum(len(text.encode()) for text in page.evaluate(own)) < 70_000
