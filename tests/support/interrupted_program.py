"""A program that is interrupted at random moments, and looks after each of them at what is left.

`python interrupted_program.py ROUNDS` prints, for each kind of trouble, in how many of the rounds
it met it: `{}`, if all is well.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import numpy as np
from threadpoolctl import threadpool_info

import fcnn
from fcnn import tree
from fcnn.distributed import threads
from fcnn.distributed.threads import available_cores, is_only_thread

# Told a number of seconds, it sends one SIGINT within them.
INTERRUPTER = """
import os, random, signal, sys, time
for line in sys.stdin:
    until = time.perf_counter() + random.random() * float(line)
    while time.perf_counter() < until:
        pass
    os.kill(int(sys.argv[1]), signal.SIGINT)
    print(flush=True)
"""
(X, LABELS), TEST = ((x[:96], labels[:96]) for x, labels in fcnn.data.synthetic_lines(seed=0))
MODEL = fcnn.models.lines_cnn()
PARAMS, _ = MODEL.init(np.random.default_rng(0), (1, 14, 14))


def gradient(threads=2):
    return fcnn.value_and_grad(MODEL, fcnn.softmax_cross_entropy, threads=threads)


KEPT = gradient()
EXPECTED = gradient(1)(PARAMS, X, LABELS), fcnn.predict(MODEL, PARAMS, X, threads=1)


def a_new_function():
    f = gradient()
    for _ in range(5):
        f(PARAMS, X, LABELS)


def the_same_function():
    KEPT(PARAMS, X, LABELS)


def one_image():
    fcnn.predict(MODEL, PARAMS, X[:1])


def many_images():
    fcnn.predict(MODEL, PARAMS, X, threads=2)


def bent_images():
    fcnn.augmentation.elastic()(np.random.default_rng(0), X[:8])


def training():
    for _ in fcnn.fit(
        MODEL, PARAMS, fcnn.sgd(0.01), (X, LABELS), epochs=3, batch_size=64, seed=0, test=TEST,
        threads=2,
    ):  # fmt: skip
        pass


WORK = [a_new_function, the_same_function, one_image, many_images, bent_images, training]


def blas_threads():
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]


def helpers(interrupter):
    with open(f"/proc/self/task/{os.getpid()}/children") as children:
        return {int(pid) for pid in children.read().split()} - {interrupter.pid}


def is_interrupted(interrupter, work, seconds):
    """Whether an interrupt that is sent within that many seconds arrives while one works."""
    try:
        interrupter.stdin.write(f"{seconds}\n")
        until = time.monotonic() + 10
        while time.monotonic() < until:
            work()
    except KeyboardInterrupt:
        return True
    return False


def troubles(interrupter, before):
    """What is not as it was, or not as it must be."""
    if blas_threads() != before:
        yield "BLAS has other threads"
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield "SIGINT has another handler"
    if threading.active_count() != 1 + len(threads._pool()._threads):
        yield "a thread is left"
    if not is_only_thread():
        yield "a thread is busy"
    if len(helpers(interrupter)) > available_cores():
        yield "processes are left"
    if len(os.listdir("/proc/self/fd")) > 10 + 5 * available_cores():
        yield "files are left"
    if not tree.equal((KEPT(PARAMS, X, LABELS), fcnn.predict(MODEL, PARAMS, X)), EXPECTED):
        yield "results are wrong"
    for _ in range(3):
        KEPT(PARAMS, X, LABELS)
    if os.environ.get("FCNN_PROCESSES") != "0" and not helpers(interrupter):
        yield "no process helps"


def main(rounds):
    random.seed(0)
    many_images()
    before, found = blas_threads(), Counter()
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTER, str(os.getpid())],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    ) as interrupter:  # fmt: skip
        for _ in range(rounds):
            work, seconds = random.choice(WORK), random.choice([0.002, 0.01, 0.04])
            if not is_interrupted(interrupter, work, seconds):
                found["the interrupt is lost"] += 1
            interrupter.stdout.readline()
            found.update(troubles(interrupter, before))
        interrupter.stdin.close()
    print(dict(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
