"""The bytes at a URL, from a server that may do anything."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

SILENCE_LIMIT = 15.0  # seconds without a byte
PATIENCE = 60.0  # seconds, to begin with; each byte that arrives adds 1 / SLOWEST
SLOWEST = 10_000  # bytes per second, since a byte now and then is never silence
CHUNK = 65_536

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes received so far, and their total if it is known.

The count starts again at 0 whenever the next mirror is tried.
"""


class MirrorError(Exception):
    """What a server did wrong, in words."""


def receive(url: str, stream: IO[bytes], most: int, progress: Progress | None) -> None:
    """Write the bytes at a URL as they arrive; MirrorError if they are not all, or too many.

    Another thread waits for them: a name that is looked up for ever, or a header that comes a
    byte a minute, could not be interrupted here.
    """
    arrived: queue.Queue[Any] = queue.Queue(8)
    given_up = threading.Event()
    thread = threading.Thread(target=_transfer, args=(url, arrived, given_up), daemon=True)
    thread.start()
    began, done = time.monotonic(), 0
    try:
        while True:
            left = began + PATIENCE + done / SLOWEST - time.monotonic()
            try:
                chunk, total, problem = arrived.get(timeout=max(left, 0))
            except queue.Empty:
                passed = time.monotonic() - began
                raise MirrorError(f"too slow: {done:,} bytes in {passed:.1f} seconds") from None
            if problem:
                # What a server says, fit for a terminal.
                plain = [letter if letter.isprintable() else "?" for letter in problem]
                raise MirrorError("".join(plain)[:200])
            if not chunk:
                break
            done += len(chunk)
            if done > most:
                raise MirrorError(f"it sends more than {most:,} bytes")
            stream.write(chunk)
            if progress is not None:
                progress(url.rpartition("/")[2], done, total)
        if total is not None and done < total:
            raise MirrorError(f"the connection ended after {done:,} of {total:,} bytes")
    finally:
        given_up.set()
        thread.join(0.1)


def _transfer(url: str, arrived: queue.Queue[Any], given_up: threading.Event) -> None:
    """Hand over (chunk, total, problem) for every chunk; an empty one comes last."""
    from urllib.error import HTTPError
    from urllib.request import Request

    def hand_over(chunk: bytes, total: int | None = None, problem: str = "") -> None:
        while not given_up.is_set():
            with suppress(queue.Full):
                return arrived.put((chunk, total, problem), timeout=0.1)

    try:
        request = Request(url, headers={"User-Agent": "fcnn"})
        with _opener().open(request, timeout=SILENCE_LIMIT) as answer:
            total = answer.length
            while not given_up.is_set() and (chunk := answer.read1(CHUNK)):
                hand_over(chunk, total)
        hand_over(b"", total)
    except HTTPError as error:
        error.close()
        hand_over(b"", problem=f"HTTP {error.code} {error.reason}")
    except Exception as error:  # http.client, ssl and urllib have many kinds
        reason = f"{getattr(error, 'reason', error)}" or type(error).__name__
        hand_over(b"", problem=reason)


def _opener() -> OpenerDirector:
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Redirects(HTTPRedirectHandler):
        def redirect_request(
            self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
        ) -> Request | None:
            fp.close()  # or urllib would read all that comes with it, which may be endless
            if not newurl.startswith(("http://", "https://")):
                raise OSError(f"it redirects to {newurl}")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return build_opener(Redirects)
