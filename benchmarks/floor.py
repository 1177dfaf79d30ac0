"""The floor: the least that pure Python can do for the same promises.

A count window with a failure rate and a slow-call rate, thread-safe, half-open probes with permits, late results
isolated, a refusal that says when to come back. Written by hand for one configuration, without anything that makes a
library usable: no names, no observers, no explanations, no other windows. What it costs is the price of the features.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count
from time import monotonic
from typing import Any, Self


class Refused(Exception):
    """Carries when to come back."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after


class Era:
    """One stay in one state; results of an older era land in an object that nobody reads any more."""

    __slots__ = ("bad", "calls", "probes", "slow", "until")

    def __init__(self, until: float = 0.0, probes: int = 0) -> None:
        self.calls = count()
        self.bad: deque[int] = deque()
        self.slow: deque[int] = deque()
        self.until = until
        self.probes = probes


class Floor:
    """50 % of at least 20 of the last 100 calls, failed or slower than `slow` seconds; 5 s open; 5 probes."""

    __slots__ = ("_lock", "era", "slow")

    def __init__(self, slow: float = 1.0) -> None:
        self._lock = threading.Lock()
        self.era = Era()
        self.slow = slow

    def guard(self, fn: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        slow = self.slow

        async def guarded(*args: Any, **kwargs: Any) -> Any:
            era = self.era
            if era.until or era.probes:
                era = self._admit()
            started = monotonic()
            try:
                result = await fn(*args, **kwargs)
            except Exception:
                self._bad(era, era.bad)
                raise
            except BaseException:
                self._release(era)
                raise
            if monotonic() - started >= slow:
                self._bad(era, era.slow)
            elif era.probes:
                self._passed(era)
            else:
                next(era.calls)
            return result

        return guarded

    def guard_sync(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        slow = self.slow

        def guarded(*args: Any, **kwargs: Any) -> Any:
            era = self.era
            if era.until or era.probes:
                era = self._admit()
            started = monotonic()
            try:
                result = fn(*args, **kwargs)
            except Exception:
                self._bad(era, era.bad)
                raise
            except BaseException:
                self._release(era)
                raise
            if monotonic() - started >= slow:
                self._bad(era, era.slow)
            elif era.probes:
                self._passed(era)
            else:
                next(era.calls)
            return result

        return guarded

    def permit(self) -> _Entry:
        return _Entry(self)

    def open(self, seconds: float) -> None:
        self.era = Era(until=monotonic() + seconds)

    def _admit(self) -> Era:
        with self._lock:
            era = self.era
            if era.until:
                left = era.until - monotonic()
                if left > 0:
                    raise Refused(left)
                era = self.era = Era(probes=6)
            if era.probes:
                if era.probes == 1:
                    raise Refused(0.0)
                era.probes -= 1
            return era

    def _bad(self, era: Era, kind: deque[int]) -> None:
        with self._lock:
            if era is not self.era:
                return
            number = next(era.calls)
            kind.append(number)
            while kind[0] <= number - 100:
                kind.popleft()
            if era.probes or (number >= 19 and 2 * len(kind) >= min(number + 1, 100)):
                self.era = Era(until=monotonic() + 5.0)

    def _passed(self, era: Era) -> None:
        with self._lock:
            if era is self.era and next(era.calls) >= 4:
                self.era = Era()

    def _release(self, era: Era) -> None:
        with self._lock:
            if era.probes:
                era.probes += 1


class _Entry:
    __slots__ = ("_era", "_floor", "_started")

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def __aenter__(self) -> Self:
        era = self._floor.era
        if era.until or era.probes:
            era = self._floor._admit()
        self._era = era
        self._started = monotonic()
        return self

    async def __aexit__(self, _kind: object, exc: BaseException | None, _tb: object) -> None:
        floor, era = self._floor, self._era
        if exc is not None:
            if isinstance(exc, Exception):
                floor._bad(era, era.bad)
            else:
                floor._release(era)
        elif monotonic() - self._started >= floor.slow:
            floor._bad(era, era.slow)
        elif era.probes:
            floor._passed(era)
        else:
            next(era.calls)
