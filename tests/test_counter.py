"""Counters: nothing is lost, whoever counts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from switchgear._counter import Counter


@pytest.fixture
def impatient() -> Iterator[None]:
    """Threads take turns as often as the interpreter can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_ticks_and_amounts_add_up() -> None:
    """And reading changes nothing."""
    counter = Counter()
    assert counter.value == 0
    counter.tick()
    counter.add(41)
    assert [counter.value, counter.value] == [42, 42]
    counter.tick()
    counter.add(0.5)
    assert counter.value == 43.5


@pytest.mark.usefixtures("impatient")
def test_eight_threads_lose_nothing() -> None:
    """While a ninth reads, which ticks too; what it reads never falls."""
    counter, threads, each = Counter(), 8, 20_000
    read: list[float] = []
    over = threading.Event()

    def tick_and_add() -> None:
        for _ in range(each):
            counter.tick()
            counter.add(2)

    def look() -> None:
        while not over.is_set():
            read.append(counter.value)

    counting = [threading.Thread(target=tick_and_add) for _ in range(threads)]
    reader = threading.Thread(target=look)
    for thread in (reader, *counting):
        thread.start()
    for thread in counting:
        thread.join()
    over.set()
    reader.join()
    assert counter.value == threads * each * 3
    assert read == sorted(read)


def test_a_finalizer_may_count_in_the_middle_of_counting() -> None:
    """The collector runs when it will, and what it finalizes may be a stream that counts its bytes: no deadlock."""
    counter = Counter()

    class Amount(float):
        """Adding it counts once more, on the thread that holds the lock."""

        def __radd__(self, other: float) -> float:
            counter.add(0)
            counter.tick()
            return other + float(self)

    thread = threading.Thread(target=counter.add, args=(Amount(2),), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert counter.value == 3
