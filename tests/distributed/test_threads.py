"""Threads over the items of a call: as many as are of use, and those that the system has."""

import threading
import time

import pytest

from fcnn.distributed.threads import (
    available_cores,
    end_idle_threads,
    is_only_thread,
    run_on_threads,
    useful_threads,
)  # fmt: skip


def ident(item):
    time.sleep(0.01)
    return threading.get_ident()


def test_results_come_in_the_order_of_the_items():
    for threads in (None, 1, 2, 3, 100):
        assert run_on_threads(lambda item: item * 2, range(10), threads) == list(range(0, 20, 2))


@pytest.mark.parametrize("threads", [5, 2**31 - 1])
def test_there_are_no_more_threads_than_items_and_few_per_core(threads):
    assert len(set(run_on_threads(ident, range(3), threads))) <= 3
    found = set(run_on_threads(ident, range(100), threads))
    assert len(found) <= min(threads, 4 * available_cores())


def test_threads_that_are_not_told_are_as_many_as_cores():
    assert useful_threads(None, 1000) == available_cores()
    assert useful_threads(None, 1) == useful_threads(7, 1) == 1
    assert useful_threads(2, 1000) == 2


def test_what_fails_in_any_thread_fails_in_the_caller_when_the_others_have_ended():
    running = []

    def fail_for_3(item):
        running.append(item)
        time.sleep(0.02)
        running.remove(item)
        if item == 3:
            raise LookupError("no luck with 3")

    for _ in range(5):
        with pytest.raises(LookupError, match="no luck with 3"):
            run_on_threads(fail_for_3, range(8), 3)
        assert running == []
        assert is_only_thread()


def test_a_call_does_without_threads_that_the_system_does_not_have(monkeypatch):
    def no_thread(self):
        raise RuntimeError("can't start new thread")

    end_idle_threads()
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    for _ in range(3):
        assert set(run_on_threads(ident, range(4), 3)) == {threading.get_ident()}
    monkeypatch.undo()
    assert run_on_threads(str, range(4), 3) == ["0", "1", "2", "3"]
    assert is_only_thread()


def test_what_could_not_be_begun_takes_nothing_when_another_caller_is_done(monkeypatch):
    def first():
        busy = threading.Barrier(2)

        def work(item):
            if item < 2:
                busy.wait()  # both threads are at work
                begun.release()
            go_on.wait()
            return item

        results.append(run_on_threads(work, range(4), 2))

    def second_item(item):
        go_on.set()  # a thread of the first caller's is free in the midst of this call
        time.sleep(0.01 if threading.current_thread() is threading.main_thread() else 1)
        return item

    def no_thread(self):
        raise RuntimeError("can't start new thread")

    end_idle_threads()
    begun, go_on, results = threading.Semaphore(0), threading.Event(), []
    caller = threading.Thread(target=first)
    caller.start()
    for _ in range(2):
        begun.acquire()
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    assert run_on_threads(second_item, range(40), 2) == list(range(40))
    caller.join()
    assert results == [list(range(4))]


def test_a_call_inside_of_a_call_does_not_wait_for_a_busy_pool():
    inner = run_on_threads(lambda _: run_on_threads(ident, range(4), 2), range(4), 2)
    assert [len(found) for found in inner] == [4] * 4
