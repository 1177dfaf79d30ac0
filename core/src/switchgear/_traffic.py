"""What went through each breaker in the last ten seconds, for those who look on: rates and latencies.

The rates are differences between two looks at a breaker's own counters, so they cost the calls nothing. Latencies have
to be heard of one by one, which costs each call a microsecond or two. So it is done only while somebody looks, and for
half a minute after the last look.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from switchgear._clock import Clock
from switchgear._lock import fork_safe
from switchgear._sketch import bucket, quantile
from switchgear._snapshot import Snapshot
from switchgear._verdict import Verdict

#: Seconds that rates and latencies are of.
_SPAN = 10
#: Seconds for which one look is worth listening.
_ATTENTION = 30.0
#: Seconds for which a look is remembered, for those who look seldom: then the rates are of the time since.
_MEMORY = 300.0
#: Breakers whose latencies are kept, so that domains that a stranger makes up take no memory without end.
_MOST = 4096

# Reentrant: a finalizer may settle a call, and so be heard of, in the midst of it.
_lock = fork_safe(threading.RLock())

#: Name and domain of a breaker, and whether the calls were active checks.
_Key = tuple[str, str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Rates are calls a second. Latencies are in seconds, of the calls that reached the backend; None: there were none,
    or nobody has looked for a while.
    """

    per_second: float = 0.0  #: all that asked: served, failed, refused, and what said nothing about the backend
    served: float = 0.0
    failed: float = 0.0  #: throttled ones included
    refused: float = 0.0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Onlooker:
    """Looks on at the breakers of one gear. `subscribe` is the gear's, `clock` the breakers'."""

    def __init__(self, subscribe: Callable[[object], Callable[[], None]], clock: Clock) -> None:
        self._subscribe, self._clock = subscribe, clock
        self._leave: Callable[[], None] | None = None
        self._until = -inf
        self._latencies: dict[_Key, deque[tuple[int, dict[int, int]]]] = {}
        self._counts: dict[tuple[str, str, bool], deque[_Counts]] = {}

    def look(self) -> None:
        """Somebody looks: go on listening, and forget what is out of date."""
        now = self._clock()
        with _lock:
            self._until = now + _ATTENTION
            if self._leave is None:
                self._leave = self._subscribe(self)
            stale = [key for key, recent in self._latencies.items() if recent[-1][0] < now - _SPAN]
            for key in stale:
                del self._latencies[key]
            self._counts = {key: counts for key, counts in self._counts.items() if counts[-1].at > now - _MEMORY}

    def close(self) -> None:
        """Listen no more."""
        with _lock:
            leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def on_outcome(
        self, service: str, domain: str, operation: str, _class: str, verdict: Verdict, seconds: float
    ) -> None:
        now = self._clock()
        if now > self._until:
            self.close()
            return
        if verdict.name == "IGNORED":
            return
        key = service, domain, operation.endswith(".probe")
        second, index = int(now), bucket(seconds)
        with _lock:
            recent = self._latencies.get(key)
            if recent is None:
                if len(self._latencies) >= _MOST:
                    return
                recent = self._latencies[key] = deque(maxlen=_SPAN)
            if not recent or recent[-1][0] < second:
                recent.append((second, {}))
            counts = recent[-1][1]
            counts[index] = counts.get(index, 0) + 1

    def traffic(self, snapshot: Snapshot, *, main: bool) -> Traffic:
        """What went through the breaker that this is a snapshot of. `main`: of a group, it is the main one."""
        latencies = self._recent(snapshot)
        rates = self._rates(snapshot, main=main)
        return Traffic(
            per_second=sum(rates),
            served=rates.served,
            failed=rates.failed,
            refused=rates.refused,
            p50=quantile(latencies, 0.50),
            p95=quantile(latencies, 0.95),
            p99=quantile(latencies, 0.99),
        )

    def _recent(self, snapshot: Snapshot) -> dict[int, int]:
        """Latencies by bucket: of users' calls, or where there were none, of active checks."""
        merged: dict[int, int] = {}
        with _lock:
            for checks in (False, True):
                for second, counts in self._latencies.get((snapshot.breaker, snapshot.domain, checks), ()):
                    if second > snapshot.at - _SPAN:
                        for index, count in counts.items():
                            merged[index] = merged.get(index, 0) + count
                if merged:
                    break
        return merged

    def _rates(self, snapshot: Snapshot, *, main: bool) -> _Rates:
        now = _Counts.of(snapshot)
        with _lock:
            past = self._counts.setdefault((snapshot.breaker, snapshot.domain, main), deque([now]))
            if past[-1].exceeds(now):  # its place was given to another branch, and it had to begin anew
                past.clear()
            if not past or now.at - past[-1].at >= 1:
                past.append(now)
            while len(past) > 1 and past[1].at <= now.at - _SPAN:
                past.popleft()
            return now.since(past[0])


class _Rates(NamedTuple):
    served: float
    failed: float
    refused: float
    ignored: float


class _Counts(NamedTuple):
    """Counters of one breaker since its beginning."""

    at: float
    served: int
    failed: int
    refused: int
    ignored: int

    @classmethod
    def of(cls, snapshot: Snapshot) -> _Counts:
        verdicts = dict(snapshot.verdicts)
        served, ignored = verdicts.pop("SUCCESS", 0), verdicts.pop("IGNORED", 0)
        return cls(snapshot.at, served, sum(verdicts.values()), sum(snapshot.refused.values()), ignored)

    def exceeds(self, other: _Counts) -> bool:
        return any(mine > its for mine, its in zip(self[1:], other[1:], strict=True))

    def since(self, past: _Counts) -> _Rates:
        seconds = self.at - past.at
        return _Rates(
            *((now - then) / seconds if seconds else 0.0 for now, then in zip(self[1:], past[1:], strict=True))
        )
