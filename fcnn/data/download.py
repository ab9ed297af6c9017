"""Fetching one file of MNIST from the mirrors; nothing unverified gets its final name."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from fcnn.data.dataset import DataError
from fcnn.data.mnist_files import ENVIRONMENT_VARIABLE, MnistFile, examine
from fcnn.files import remove_left_overs, whole_file
from fcnn.locks import LockedError, only_process_in

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://azureopendatastorage.blob.core.windows.net/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
SILENCE_LIMIT = 15.0  # seconds without a byte
PATIENCE = 60.0  # seconds, to begin with; each byte that arrives adds 1 / SLOWEST
SLOWEST = 10_000  # bytes per second, since a byte now and then is never silence
LOCK_LIMIT = 3600.0  # seconds for another process to finish its downloads
CHUNK = 65_536

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes received so far, and their total if it is known.

The count starts again at 0 whenever the next mirror is tried.
"""


_one_thread = threading.Lock()


class _MirrorError(Exception):
    """What a mirror did wrong."""


@contextmanager
def downloading_to(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made if need be, for the downloads of this thread alone.

    Others wait, and find the files. What processes that were killed in the middle have left
    is deleted.

    Raises
    ------
    DataError
        If the folder cannot be written to, or another process never finishes.
    """
    began = time.monotonic()
    with writing_to(folder), _one_thread, ExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                stack.enter_context(only_process_in(folder))
                break
            except LockedError as error:
                if time.monotonic() - began > LOCK_LIMIT:
                    raise DataError(f"mnist: {error}, for more than an hour") from None
                time.sleep(0.1)
        remove_left_overs(folder)
        yield


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into a DataError that names the folder."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"mnist: cannot write to the folder {folder} ({error}). Either make it writable,"
            f" or set {ENVIRONMENT_VARIABLE} to a folder that holds the four files"
        ) from error


def fetch(file: MnistFile, folder: Path, progress: Progress | None = None) -> Path:
    """Download a file into a folder from the first mirror that has it, and return its path.

    Raises
    ------
    DataError
        If every mirror failed; the text gives the reason for each, and what to do.
    OSError
        If the folder cannot be written to.
    """
    target = folder / f"{file.name}.gz"
    failures = []
    with whole_file(target) as stream:
        for mirror in MIRRORS:
            problem = _try_mirror(f"{mirror}{target.name}", file, stream, progress)
            if not problem:
                return target
            failures.append(f"  {mirror}{target.name}: {problem}")
        raise DataError(
            f"mnist: {file.name} could not be downloaded. Looked for an intact copy in\n"
            f"  {folder}: none\n" + "\n".join(failures) + "\n"
            "Either download the four files by hand into a folder and set"
            f" {ENVIRONMENT_VARIABLE} to it,\n"
            "or use the 6,000 digits that come with fcnn: --data mnist5k"
        )


def _try_mirror(url: str, file: MnistFile, stream: IO[bytes], progress: Progress | None) -> str:
    """Download and verify; return what went wrong, or nothing."""
    stream.seek(0)
    stream.truncate()
    done = 0
    most = file.size + CHUNK  # compressed or not, no honest answer is longer
    try:
        with closing(_received(url, most)) as chunks:
            for chunk, total in chunks:
                stream.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(f"{file.name}.gz", done, total)
    except _MirrorError as error:
        return str(error)
    stream.flush()
    return examine(Path(stream.name), file)[1]


def _received(url: str, most: int) -> Generator[tuple[bytes, int | None], None, None]:
    """The bytes at a URL as they arrive, each time with the announced total.

    Another thread waits for them: a name that is looked up for ever, or a header that comes
    a byte a minute, could not be interrupted here.
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
                raise _MirrorError(f"too slow: {done:,} bytes in {passed:.1f} seconds") from None
            if problem:
                raise _MirrorError(problem)
            if not chunk:
                break
            done += len(chunk)
            if done > most:
                raise _MirrorError(f"it sends more than {most:,} bytes")
            yield chunk, total
        if total is not None and done < total:
            raise _MirrorError(f"the connection ended after {done:,} of {total:,} bytes")
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
        hand_over(b"", problem=_plain(f"HTTP {error.code} {error.reason}"))
    except Exception as error:  # http.client, ssl and urllib have many kinds
        reason = f"{getattr(error, 'reason', error)}" or type(error).__name__
        hand_over(b"", problem=_plain(reason))


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


def _plain(text: str) -> str:
    """What a server says, fit for a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)[:200]
