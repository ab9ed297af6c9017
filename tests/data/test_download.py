"""Downloads of MNIST that go well, and every way in which a mirror can go wrong.

The mirrors are a server in this process, and the files stand-ins of a few hundred bytes.
"""

from __future__ import annotations

import functools
import gzip
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from small_mnist import CONTENTS, IMAGES, assert_is_stand_in, fill, replace_mnist

from fcnn import data
from fcnn.data import full_mnist, transfer


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    return replace_mnist(tmp_path, monkeypatch)


class Mirrors(BaseHTTPRequestHandler):
    """Answers `/KIND/NAME.gz` in the way that the method of that kind says.

    Those that hang end with an honest answer after half a minute, so that a client with more
    patience than it should have gets what its test does not expect.
    """

    def do_GET(self):
        kind, name = self.path.strip("/").split("/")
        self.server.requests.append((kind, name))
        self.plain = CONTENTS[name.removesuffix(".gz")]
        self.packed = gzip.compress(self.plain, mtime=0)
        getattr(self, kind.replace("-", "_"))()

    def good(self):
        self.answer(self.packed)

    def unzipped(self):
        self.answer(self.plain)

    def lengthless(self):
        self.answer(self.packed, length=None)

    def chunked(self):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for byte in self.packed:
            self.wfile.write(b"1\r\n" + bytes([byte]) + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def redirected(self):
        self.redirect(self.path.replace("redirected", "good"))

    def redirected_with_more(self):
        self.raw(b"HTTP/1.1 302 Found\r\nLocation: /good/" + self.path.split("/")[2].encode())
        self.raw(b"\r\n\r\n")
        self.drip([b"moved"] * 600)

    # Wrong answers

    def missing(self):
        self.send_error(404)

    def rude(self):
        self.raw(b"HTTP/1.1 503 \x1b[2J" + b"no" * 1000 + b"\r\n\r\n")

    def html(self):
        self.answer(b"<html>Please log in to the hotel's network.</html>")

    def empty(self):
        self.answer(b"")

    def truncated(self):
        self.answer(self.packed[:-5])

    def interrupted(self):
        self.answer(self.packed[:-5], length=len(self.packed))

    def announced_short(self):
        self.answer(self.packed, length=len(self.packed) - 3)

    def announced_huge(self):
        self.answer(self.packed, length=10**30)

    def wrong(self):
        self.answer(gzip.compress(self.plain[:-1] + b"!"))

    def wrong_checksum(self):
        self.answer(self.packed[:-8] + b"\0\0\0\0" + self.packed[-4:])

    def wrong_size(self):
        self.answer(self.packed[:-4] + b"\0\0\0\1")

    def twice(self):
        self.answer(self.packed * 2)

    def trailing(self):
        self.answer(self.packed + b"<!-- served by a cache -->")

    def bomb(self):
        self.answer(bomb())

    def endless(self):
        self.answer(bytes(1_000_000))

    def reset(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.packed)))
        self.end_headers()
        self.wfile.write(self.packed[:20])
        self.wfile.flush()
        self.reset_connection()

    def reset_at_once(self):
        self.reset_connection()

    def chunks_cut_off(self):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" + self.packed)

    def not_http(self):
        self.raw(b"220 mail server ready\r\n")

    def many_headers(self):
        self.raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n")

    def to_a_file(self):
        self.redirect("file:///etc/passwd")

    def to_ftp(self):
        self.redirect("ftp://127.0.0.1:1/train-images")

    def to_itself(self):
        self.redirect(self.path)

    def to_nowhere(self):
        self.redirect("http://127.0.0.1:1/")

    # Answers that do not end

    def silent(self):
        self.hang()

    def silent_in_the_middle(self):
        self.raw(b"HTTP/1.1 200 OK\r\n\r\n" + self.packed[:20])
        self.server.stopping.wait(30)
        self.raw(self.packed[20:])

    def dripping(self):
        self.raw(b"HTTP/1.1 200 OK\r\n\r\n")
        self.drip([bytes([byte]) for byte in self.packed])

    def dripping_fast(self):
        self.raw(b"HTTP/1.1 200 OK\r\n\r\n")
        for byte in self.packed:
            self.raw(bytes([byte]))
            self.server.stopping.wait(0.001)

    def dripping_header(self):
        self.raw(b"HTTP/1.1 200 OK\r\nA: ")
        self.drip([b"a"] * 600)
        self.raw(b"\r\n\r\n" + self.packed)

    def dripping_chunk_header(self):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.raw(b"%x;" % len(self.packed))
        self.drip([b"a"] * 600)
        self.raw(b"\r\n" + self.packed + b"\r\n0\r\n\r\n")

    def dripping_redirect(self):
        self.raw(b"HTTP/1.1 302 Found\r\nLocation: /good/" + self.path.split("/")[2].encode())
        self.raw(b"\r\nA: ")
        self.drip([b"a"] * 600)
        self.raw(b"\r\n\r\n")

    def continuing(self):
        self.drip([b"HTTP/1.1 100 Continue\r\n\r\n"] * 600)
        self.answer(self.packed)

    # What they are made of

    def answer(self, content, length=-1):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(len(content) if length == -1 else length))
        self.end_headers()
        self.wfile.write(content)

    def redirect(self, url):
        self.send_response(302)
        self.send_header("Location", url)
        self.end_headers()

    def raw(self, content):
        self.wfile.write(content)
        self.wfile.flush()

    def hang(self):
        self.server.stopping.wait(30)
        self.answer(self.packed)

    def drip(self, drops):
        for drop in drops:
            self.raw(drop)
            if self.server.stopping.wait(0.05):
                return

    def reset_connection(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_RD)
        self.wfile.close()
        self.rfile.close()
        self.connection.close()

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
        monkeypatch.setattr(full_mnist, "MIRRORS", urls)

    return set_mirrors


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


BROKEN = {
    "missing": "HTTP 404 Not Found",
    "rude": "HTTP 503 ?[2Jnono",
    "html": "its size is wrong",
    "empty": "its size is wrong: expected 136 bytes, found 0",
    "truncated": "cannot be read (EOFError",
    "interrupted": "the connection ended after",
    "announced-short": "cannot be read (EOFError",
    "announced-huge": "the connection ended after",
    "wrong": "its SHA-256 is wrong",
    "wrong-checksum": "cannot be read (BadGzipFile: CRC",
    "wrong-size": "cannot be read (BadGzipFile: Incorrect length",
    "twice": "its size is wrong: expected 136 bytes, found more",
    "trailing": "cannot be read (BadGzipFile",
    "bomb": "its size is wrong: expected 136 bytes, found more",
    "endless": "it sends more than 65,672 bytes",
    "reset": "Connection reset",
    "reset-at-once": "",  # the system decides what it looks like
    "chunks-cut-off": "IncompleteRead",
    "not-http": "220 mail server ready",
    "many-headers": "got more than 100 headers",
    "to-a-file": "Redirection to url 'file:///etc/passwd' is not allowed",
    "to-ftp": "it redirects to ftp://127.0.0.1:1/train-images",
    "to-itself": "would lead to an infinite loop",
    "to-nowhere": "Connection refused",
}
HANGING = {
    "silent": "timed out",
    "silent-in-the-middle": "timed out",
    "dripping": "too slow: ",
    "dripping-header": "too slow: 0 bytes in ",
    "dripping-chunk-header": "too slow: 0 bytes in ",
    "dripping-redirect": "too slow: 0 bytes in ",
    "continuing": "too slow: 0 bytes in ",
}


GOOD = ["good", "unzipped", "lengthless", "chunked", "redirected", "redirected-with-more"]


@pytest.mark.parametrize("kind", GOOD)
def test_download_then_read_from_the_cache(cache, mirrors, server, monkeypatch, kind):
    monkeypatch.setattr(transfer, "PATIENCE", 10)  # less than what comes with a redirection takes
    mirrors(kind)
    assert_is_stand_in(data.mnist())
    assert names_in(cache) == sorted(f"{name}.gz" for name in CONTENTS)
    assert len([each for each, _ in server.requests if each == kind]) == 4
    asked = len(server.requests)
    assert_is_stand_in(data.mnist())
    assert len(server.requests) == asked


def test_broken_mirrors_are_passed_over_and_leave_nothing(cache, mirrors, server):
    mirrors(*BROKEN, "good", "never-asked")
    assert data.download_mnist() == cache
    assert_is_stand_in(data.mnist())
    assert names_in(cache) == sorted(f"{name}.gz" for name in CONTENTS)
    asked = dict.fromkeys(kind for kind, name in server.requests if name == f"{IMAGES}.gz")
    assert list(asked) == [*BROKEN, "good"]


def test_when_every_mirror_fails_each_gets_its_reason(cache, mirrors):
    mirrors(*BROKEN)
    with pytest.raises(data.DataError, match="could not be downloaded") as caught:
        data.mnist()
    lines = str(caught.value).splitlines()[2:]
    for (kind, reason), line in zip(BROKEN.items(), lines, strict=False):
        assert f"/{kind}/{IMAGES}.gz: " in line
        assert reason in line
        assert len(line) < 400
    for text in (str(cache), "FCNN_DATA_DIR", "--data mnist5k"):
        assert text in str(caught.value)
    assert names_in(cache) == []


@pytest.mark.parametrize("kind", HANGING)
def test_mirrors_that_hang_are_given_up(cache, mirrors, monkeypatch, kind):
    monkeypatch.setattr(transfer, "SILENCE_LIMIT", 0.2)
    if "timed out" not in HANGING[kind]:
        monkeypatch.setattr(transfer, "PATIENCE", 0.2)
        monkeypatch.setattr(transfer, "SILENCE_LIMIT", 60)
    mirrors(kind)
    with pytest.raises(data.DataError, match=f"/{kind}/{IMAGES}.gz: {HANGING[kind]}"):
        data.mnist()
    assert names_in(cache) == []


@pytest.mark.parametrize("kind", HANGING)
def test_after_a_mirror_that_hangs_comes_the_next(cache, mirrors, monkeypatch, kind):
    monkeypatch.setattr(transfer, "SILENCE_LIMIT", 0.2)
    monkeypatch.setattr(transfer, "PATIENCE", 0.3)
    mirrors(kind, "good")
    assert_is_stand_in(data.mnist())
    assert names_in(cache) == sorted(f"{name}.gz" for name in CONTENTS)


def test_unreachable_mirrors_are_reported(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(full_mnist, "MIRRORS", ("http://127.0.0.1:1/", "no scheme/"))
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


# One's own side


def downloading(cache, server, kind):
    """Another process that downloads into the cache from a mirror of this server."""
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from pytest import MonkeyPatch; import small_mnist\n"
        "from fcnn import data; from fcnn.data import full_mnist\n"
        "small_mnist.replace_mnist(Path(sys.argv[2]), MonkeyPatch())\n"
        "full_mnist.MIRRORS = (sys.argv[3],)\n"
        "try: data.mnist()\n"
        "except KeyboardInterrupt: sys.exit(130)\n"
    )
    url = f"http://127.0.0.1:{server.server_address[1]}/{kind}/"
    arguments = [str(Path(__file__).parents[1] / "support"), str(cache.parent.parent), url]
    return subprocess.Popen([sys.executable, "-c", program, *arguments])


def wait_for_a_part(cache, server, process):
    while not (server.requests and any(cache.glob("*.part"))):
        assert process.poll() is None
        time.sleep(0.01)


def test_processes_that_download_at_the_same_time_share_one_download(cache, mirrors, server):
    running = [downloading(cache, server, "dripping-fast") for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert sorted(name for _, name in server.requests) == names_in(cache)
    assert_is_stand_in(data.mnist())
    assert len(server.requests) == 4


def test_threads_that_download_at_the_same_time_share_one_download(cache, mirrors, server):
    mirrors("dripping-fast")
    with ThreadPoolExecutor(4) as pool:
        for dataset in pool.map(lambda _: data.mnist(), range(4)):
            assert_is_stand_in(dataset)
    assert len(server.requests) == 4
    assert names_in(cache) == sorted(f"{name}.gz" for name in CONTENTS)


def test_a_download_that_waits_for_another_process_gives_up_in_the_end(
    cache, mirrors, server, monkeypatch
):
    running = downloading(cache, server, "silent-in-the-middle")
    try:
        wait_for_a_part(cache, server, running)
        monkeypatch.setattr(full_mnist, "LOCK_LIMIT", 0.2)
        mirrors("good")
        with pytest.raises(data.DataError, match=r"another process is at work in .*mnist"):
            data.mnist()
    finally:
        running.kill()
        running.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGKILL"])
def test_a_download_that_is_stopped_in_the_middle(cache, mirrors, server, signal_name):
    running = downloading(cache, server, "silent-in-the-middle")
    wait_for_a_part(cache, server, running)
    running.send_signal(getattr(signal, signal_name))
    assert running.wait() == {"SIGINT": 130, "SIGKILL": -signal.SIGKILL}[signal_name]
    assert [name for name in names_in(cache) if name.endswith(".gz")] == []
    if signal_name == "SIGINT":
        assert names_in(cache) == []
    mirrors("good")
    assert_is_stand_in(data.mnist())
    assert names_in(cache) == sorted(f"{name}.gz" for name in CONTENTS)


@pytest.mark.parametrize("whole", [True, False])
def test_what_killed_downloads_left_is_deleted(cache, mirrors, whole):
    mirrors("good")
    fill(cache, ".gz")
    if not whole:
        (cache / f"{IMAGES}.gz").unlink()
    for name in (f"{IMAGES}.gz.1-2.part", f"{IMAGES}.gz.34567-89012345.part"):
        (cache / name).write_bytes(b"half")
    assert_is_stand_in(data.mnist())
    data.download_mnist()
    assert names_in(cache) == sorted(f"{name}.gz" for name in CONTENTS)


def test_a_full_disk_is_not_the_fault_of_the_mirrors(cache, mirrors, server, monkeypatch):
    mirrors("good", "good")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(data.DataError, match=r"cannot write to the folder .*No space left"):
        data.mnist()
    assert len(server.requests) == 1
    assert names_in(cache) == []


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
