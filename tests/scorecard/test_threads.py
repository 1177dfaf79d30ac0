"""The scorecard of behaviours, by their names: threads."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from switchgear import (
    CallNotPermitted,
    CountWindow,
)
from switchgear.testing import VirtualClock
from tests.support import (
    breaker_of,
    fail,
    half_open,
    succeed,
)
from tests.tasks import DEADLINE, in_threads

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parent.parent.parent


def test_8_threads_1_half_open_probe() -> None:
    """Eight threads rush for one place, two hundred times: one of them gets it."""
    clock = VirtualClock()
    admitted: list[int] = []
    breakers = [half_open(clock, permitted_calls_in_half_open=1) for _ in range(200)]

    def rush(_number: int) -> None:
        for index, breaker in enumerate(breakers):
            try:
                breaker.permit()
            except CallNotPermitted:
                continue
            admitted.append(index)

    in_threads(rush)
    assert sorted(admitted) == list(range(200))


def test_8_threads_calls_run_in_parallel() -> None:
    """Eight calls are inside the guarded function at the same time: each waits for all others to be there."""
    breaker = breaker_of()
    inside = threading.Barrier(8)

    @breaker
    def meet() -> int:
        return inside.wait(DEADLINE)

    met: list[int] = []
    in_threads(lambda _number: met.append(meet()))
    assert sorted(met) == list(range(8))
    assert breaker.snapshot().verdicts["SUCCESS"] == 8


def test_8_threads_3200_failures_counted() -> None:
    """400 failures of each of eight threads, and as many successes between them: not one is lost or counted twice."""
    breaker = breaker_of(window=CountWindow(10_000), minimum_number_of_calls=10_000)

    def work(_number: int) -> None:
        for _ in range(400):
            succeed(breaker)
            fail(breaker)

    in_threads(work)
    snapshot = breaker.snapshot()
    assert (snapshot.verdicts["FAILURE"], snapshot.verdicts["SUCCESS"]) == (3200, 3200)
    assert (snapshot.calls, snapshot.failure_rate, snapshot.in_flight) == (6400, 0.5, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_fork_while_threads_call() -> None:
    """Forty processes forked while four threads are in the midst of calls: each can use the breaker, and is heard."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(ROOT / "tests" / "forked.py")],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("40 of 40\n", "")
