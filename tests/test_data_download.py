"""Downloads of MNIST that go well, and every way in which a mirror can go wrong.

The mirrors are a server in this process, and the files stand-ins of a few hundred bytes.
"""

from __future__ import annotations

import functools
import gzip
import threading
import time
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from small_mnist import CONTENTS, IMAGES, fill, replace_mnist

from fcnn import data
from fcnn.data import download


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    return replace_mnist(tmp_path, monkeypatch)


class Mirrors(BaseHTTPRequestHandler):
    """Answers `/KIND/NAME.gz` in the way that the kind says."""

    def do_GET(self):
        kind, name = self.path.strip("/").split("/")
        self.server.requests.append((kind, name))
        content = gzip.compress(CONTENTS[name.removesuffix(".gz")])
        if kind == "missing":
            self.send_error(404)
        elif kind == "html":
            self.answer(b"<html>Please log in to the hotel's network.</html>")
        elif kind == "truncated":
            self.answer(content[:-5])
        elif kind == "interrupted":
            self.answer(content[:-5], length=len(content))
        elif kind == "wrong":
            self.answer(gzip.compress(CONTENTS[name.removesuffix(".gz")][:-1] + b"!"))
        elif kind == "bomb":
            self.answer(bomb())
        elif kind == "endless":
            self.answer(bytes(1_000_000))
        elif kind == "silent":
            self.server.stopping.wait(5)
        elif kind == "dripping":
            self.drip(content)
        elif kind == "unzipped":
            self.answer(CONTENTS[name.removesuffix(".gz")])
        elif kind == "lengthless":
            self.answer(content, length=None)
        else:
            self.answer(content)

    def answer(self, content, length=-1):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(len(content) if length < 0 else length))
        self.end_headers()
        self.wfile.write(content)

    def drip(self, content):
        self.send_response(200)
        self.end_headers()
        for byte in content:
            self.wfile.write(bytes([byte]))
            if self.server.stopping.wait(0.05):
                return

    def log_message(self, *_):
        pass


@functools.cache
def bomb():
    return gzip.compress(bytes(30_000_000))


class Server(ThreadingHTTPServer):
    """Remembers requests, and does not mind clients that hang up."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Mirrors)
        self.requests = []
        self.stopping = threading.Event()

    def handle_error(self, request, client_address):
        pass


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.stopping.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def mirrors(server, monkeypatch):
    """A function that sets the mirrors by their kinds."""
    monkeypatch.setenv("no_proxy", "*")

    def set_mirrors(*kinds):
        port = server.server_address[1]
        urls = tuple(f"http://127.0.0.1:{port}/{kind}/" for kind in kinds)
        monkeypatch.setattr(download, "MIRRORS", urls)

    return set_mirrors


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_is_stand_in(dataset):
    (x_train, y_train), (x_test, y_test) = dataset
    assert (x_train.shape, x_test.shape) == ((6, 1, 4, 5), (3, 1, 4, 5))
    assert (x_train.dtype, y_train.dtype) == (np.float32, np.int64)
    np.testing.assert_allclose(x_train.ravel() * 255, np.arange(120), rtol=1e-6)
    assert (y_train.tolist(), y_test.tolist()) == ([0, 1, 2, 3, 4, 5], [0, 1, 2])


BROKEN = ("missing", "html", "truncated", "interrupted", "wrong", "bomb", "endless")


@pytest.mark.parametrize("kind", ["good", "unzipped", "lengthless"])
def test_download_then_read_from_the_cache(cache, mirrors, server, kind):
    mirrors(kind)
    assert_is_stand_in(data.mnist())
    assert names_in(cache) == sorted(f"{name}.gz" for name in CONTENTS)
    assert len(server.requests) == 4
    assert_is_stand_in(data.mnist())
    assert len(server.requests) == 4


def test_broken_mirrors_are_passed_over_and_leave_nothing(cache, mirrors, server):
    mirrors(*BROKEN, "good", "never-asked")
    assert data.download_mnist() == cache
    assert_is_stand_in(data.mnist())
    assert names_in(cache) == sorted(f"{name}.gz" for name in CONTENTS)
    asked = [kind for kind, name in server.requests if name == f"{IMAGES}.gz"]
    assert asked == [*BROKEN, "good"]


def test_when_every_mirror_fails_each_gets_its_reason(cache, mirrors):
    mirrors(*BROKEN)
    with pytest.raises(data.DataError, match="could not be downloaded") as caught:
        data.mnist()
    reasons = dict(zip(BROKEN, str(caught.value).splitlines()[2:], strict=False))
    for kind, reason in {
        "missing": "HTTP 404 Not Found",
        "html": "its size is wrong",
        "truncated": "cannot be read (EOFError",
        "interrupted": "the connection ended after",
        "wrong": "its SHA-256 is wrong",
        "bomb": "its size is wrong: expected 136 bytes, found more",
        "endless": "it sends more than 65,672 bytes",
    }.items():
        assert f"/{kind}/{IMAGES}.gz: " in reasons[kind]
        assert reason in reasons[kind]
    for text in (str(cache), "FCNN_DATA_DIR", "--data mnist5k"):
        assert text in str(caught.value)
    assert names_in(cache) == []


@pytest.mark.parametrize("kind", ["silent", "dripping"])
def test_mirrors_that_hang_are_given_up(mirrors, monkeypatch, kind):
    monkeypatch.setattr(download, "SILENCE_LIMIT", 0.2)
    monkeypatch.setattr(download, "FILE_LIMIT", 0.2)
    mirrors(kind)
    started = time.monotonic()
    reason = "timed out" if kind == "silent" else "not finished after 0.2 seconds"
    with pytest.raises(data.DataError, match=reason):
        data.mnist()
    assert time.monotonic() - started < 3


def test_unreachable_mirrors_are_reported(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "MIRRORS", ("http://127.0.0.1:1/", "no scheme/"))
    with pytest.raises(data.DataError, match=r"(?s)127\.0\.0\.1:1/.*no scheme/.*unknown url type"):
        data.mnist()


def test_a_bomb_is_not_decompressed_whole(mirrors):
    mirrors("bomb")
    bomb()
    tracemalloc.start()
    try:
        with pytest.raises(data.DataError, match="found more"):
            data.mnist()
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_download_replaces_what_is_damaged_and_nothing_else(cache, mirrors, server):
    mirrors("good")
    fill(cache)
    (cache / IMAGES).write_bytes(b"damaged")
    (cache / "t10k-labels-idx1-ubyte").unlink()
    data.download_mnist()
    assert [name for _, name in server.requests] == [f"{IMAGES}.gz", "t10k-labels-idx1-ubyte.gz"]
    assert not (cache / IMAGES).exists()
    assert_is_stand_in(data.mnist())


def test_download_deletes_a_damaged_copy_beside_an_intact_one(cache, mirrors, server):
    mirrors("good")
    fill(cache, ".gz")
    (cache / IMAGES).write_bytes(b"damaged")
    data.download_mnist()
    assert server.requests == []
    assert_is_stand_in(data.mnist())


def test_progress_is_told_every_byte(mirrors):
    mirrors("missing", "good")
    calls = []
    data.mnist(progress=lambda *call: calls.append(call))
    packed = {name: len(gzip.compress(content)) for name, content in CONTENTS.items()}
    assert calls == [(f"{name}.gz", size, size) for name, size in packed.items()]


def test_an_interrupted_download_leaves_nothing(cache, mirrors):
    mirrors("good")

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data.load("mnist", progress=interrupt)
    assert names_in(cache) == []


def test_a_cache_that_cannot_be_written_to(cache, mirrors):
    mirrors("good")
    cache.parent.write_text("a file where the folder should be")
    with pytest.raises(data.DataError, match=r"cannot write to the folder .*FCNN_DATA_DIR"):
        data.mnist()
