"""Pages: what is refused, and what is in the file."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from wrong_calls import each_row, ones, refuses

import fcnn
from fcnn.exchange import save_page
from fcnn.exchange.page import document_in, page_of

MODEL = fcnn.chain(fcnn.conv2d(2, 3), fcnn.flatten, fcnn.dense(3))
PATH = Path("page.html")
SHAPE = (1, 4, 4)
PARAMS, _ = MODEL.init(np.random.default_rng(0), SHAPE)


def save(model=MODEL, params=None, in_shape=SHAPE, **others):
    if params is None:
        params, _ = model.init(np.random.default_rng(0), in_shape)
    save_page(PATH, model, params, in_shape, **others)


IMAGES = ones(2, *SHAPE)


@each_row(
    [
        ("vectors", lambda: save(fcnn.dense(2), in_shape=(4,)), ValueError,
         "save_page: in_shape is (4,), expected images (C, H, W)"),
        ("no logits", lambda: save(fcnn.relu), ValueError,
         "save_page: the network makes (1, 4, 4), expected logits (K,)"),
        ("probabilities", lambda: save(fcnn.chain(MODEL, fcnn.softmax)), ValueError,
         "save_page: the network ends in softmax, expected logits, of which a page takes the "
         "softmax: leave it out"),
        ("no images of MNIST", lambda: save(preparation="mnist"), ValueError,
         "save_page: in_shape is (1, 4, 4), but images are (1, 28, 28) as MNIST has them"),
        ("no samples", lambda: save(samples=IMAGES), TypeError,
         "save_page: samples is an ndarray, expected a pair (x, labels)"),
        ("other samples", lambda: save(samples=(IMAGES[:, :, 1:], np.zeros(2, int))), ValueError,
         "save_page: samples are (2, 1, 3, 4), expected (N, 1, 4, 4)"),
        ("other classes", lambda: save(samples=(IMAGES, np.array([0, 3]))), ValueError,
         "save_page: samples: label 3 is outside 0..2"),
    ]
)  # fmt: skip
def test_what_is_refused_writes_nothing(call, error, text):
    refuses(call, error, text)
    assert not PATH.exists()


def test_nothing_is_written_that_computes_something_else(monkeypatch):
    monkeypatch.setattr("fcnn.exchange.page._base64", lambda array: "AAAA" * (array.nbytes // 3))
    wide = fcnn.chain(fcnn.flatten, fcnn.dense(3, bias=False))
    with pytest.raises(ValueError, match="nothing is written"):
        save(wide, in_shape=(1, 4, 4))
    assert not PATH.exists()


def test_the_file_holds_the_network_as_json_and_asks_for_nothing():
    labels = ["</script>", "b", "c"]
    save(params=PARAMS, labels=labels, samples=(IMAGES / 2, np.array([2, 0])))
    page = PATH.read_text("utf-8")
    assert "{{" not in page
    assert not re.search(r"https?://|src=|href=|@import|url\(", page)
    text = re.search(r'<script type="application/json" id="model">(.*?)</script>', page)[1]
    found = json.loads(text)
    assert (found["shape"], found["labels"], found["preparation"]) == ([*SHAPE], labels, None)
    assert found["samples"] == {
        "shape": [2, *SHAPE], "labels": [2, 0], "images": "gICA" * 10 + "gIA=",
    }  # fmt: skip
    conv, flat, dense = found["network"]["children"]
    assert flat == {"layer": "flatten", "name": "flatten", "shape": [8]}
    assert (conv["name"], conv["shape"]) == ("conv2d(2, 3)", [2, 2, 2])
    assert conv["params"]["w"]["path"] == "[0].w"
    assert conv["params"]["w"]["shape"] == [2, 1, 3, 3]
    assert dense["settings"] == {"features": 3}


def test_initializers_of_ones_own_do_not_matter():
    def little(rng, shape, fan_in, fan_out):
        return rng.random(shape) / 100

    save(fcnn.chain(fcnn.flatten, fcnn.dense(3, initializer=little)))
    assert PATH.exists()


def test_the_live_page_of_the_book_is_the_page_as_it_is_now():
    text = (Path(__file__).parents[2] / "docs" / "_static" / "digits.html").read_text("utf-8")
    same = page_of(document_in(text)) == text
    assert same, "python tools/make_live_page.py --same-network writes it anew"
