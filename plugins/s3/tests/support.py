"""What the tests of this plugin share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anyio

from switchgear import BreakerConfig, Refused, Settled, Switchgear, Transition
from tests.untouched import untouched

#: A breaker that opens on the third failure and is back at once.
QUICK = BreakerConfig(
    consecutive_failures=3, wait_duration_in_open=0.2, permitted_calls_in_half_open=1, ramp=None, probe_with="traffic"
)


class Log:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.settled: list[Settled] = []
        self.refused: list[Refused] = []
        self.transitions: list[Transition] = []

    def on_settled(self, event: Settled) -> None:
        self.settled.append(event)

    def on_refused(self, event: Refused) -> None:
        self.refused.append(event)

    def on_transition(self, event: Transition) -> None:
        self.transitions.append(event)

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]

    @property
    def verdicts(self) -> list[tuple[str, str]]:
        """(operation, verdict) of every call that was settled, in order."""
        return [(event.operation, event.verdict.name) for event in self.settled]


def counted(gear: Switchgear, metric: str, **labels: str) -> float:
    return gear.service("files").counts().get((metric, tuple(sorted(labels.items()))), 0)


async def until(condition: Callable[[], Any], *, within: float = 5.0) -> None:
    """Wait for a condition that nothing announces. Raises TimeoutError."""
    with anyio.fail_after(within):
        while not condition():
            await anyio.sleep(0.005)


async def outcome(call: Any) -> str:
    """What came of a call: the name of its exception, which no guard has touched, or ""."""
    try:
        await call
    except Exception as exc:  # noqa: BLE001 - whatever it is, its name is the result
        return type(untouched(exc)).__name__
    return ""


def clock() -> float:
    return time.perf_counter()
