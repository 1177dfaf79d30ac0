"""How many calls a backend takes at once, found from how long they take and how many of them it serves.

    gradient = baseline / latency        1: nobody queues at the backend; 0.5: calls spend half their time in its queue
    queue    = limit * (1 - gradient)    how many of ours stand in that queue (Vegas, Netflix's concurrency-limits)

A short queue lets the limit grow, a long one cuts it. The baseline is learned from live calls: it falls fast and
rises slowly. Nothing is pinned low to measure it, which sheds good traffic (Envoy's minRTT). What latency alone cannot
tell, correlation with the calls in flight does (failsafe-go): if more of them make for more latency and no more
throughput, the baseline has drifted; if fewer of them make for less throughput and the same latency, nobody queues, the
backend has become slower for reasons of its own. A call that is dropped (timed out, throttled) is no sample: the share
of drops cuts the limit by half of it, as DCTCP does, so that a stray one costs nothing and a backend that hangs is let
go of.

Pure: it knows no clock; time comes in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import log10, sqrt
from typing import NamedTuple

#: A window ends after so many seconds, if there were so many calls by then; fewer when the limit allows but few.
_SECONDS, _CALLS, _FEWEST = 1.0, 50, 10
#: Latencies kept of a window. When there are more, every other one is forgotten, and of the rest every other not taken.
_MOST_KEPT = 512
#: With fewer latencies than this a window has drops to tell of, and no more.
_FEWEST_LATENCIES = 5
#: How much of the way to the latest median the baseline goes in a window: down, up, and when the latency is not ours.
_FALLS, _RISES, _FOLLOWS = 0.2, 0.01, 0.5
#: Queue lengths up to which the limit grows, and beyond which it is cut, in units of the step (as Vegas' alpha, beta).
_SHORT, _LONG = 3, 6


class Window(NamedTuple):
    """What one window came to."""

    in_flight: int  #: the most there were at once
    latency: float  #: median, in seconds
    throughput: float  #: calls served a second


class Gradient:
    """The limit, adjusted at the end of each window of calls. Raises nothing, keeps O(1) in calls."""

    def __init__(self, initial: int, minimum: int, maximum: int) -> None:
        self.limit = float(initial)
        self.baseline = 0.0  #: the latency of a call that does not queue, in seconds; 0: not known yet
        self._minimum, self._maximum = minimum, maximum
        self._past: deque[Window] = deque(maxlen=50)
        self._full: deque[Window] = deque(maxlen=8)  # the latest in a row in which the limit was reached
        self._open(0.0)

    def _open(self, now: float) -> None:
        self._opened = now
        self._latencies: list[float] = []
        self._stride = 1
        self._served = self._dropped = self._most = 0

    def settle(self, latency: float | None, in_flight: int, now: float) -> bool:
        """Take in one call that is over: its latency in seconds, None if it was dropped, and how many were in flight
        when it began. True: the limit was looked at.
        """
        if self._most == 0:
            self._opened = now
        if in_flight > self._most:  # noqa: PLR1730 - a fraction of what max costs
            self._most = in_flight
        if latency is None:
            self._dropped += 1
        else:
            self._served += 1
            if self._stride == 1 or self._served % self._stride == 0:
                self._keep(latency)
        took = now - self._opened
        if took < _SECONDS or self._served + self._dropped < max(_FEWEST, min(_CALLS, 5 * self.limit)):
            return False
        self._adjust(took)
        self._open(now)
        return True

    def _keep(self, latency: float) -> None:
        self._latencies.append(latency)
        if len(self._latencies) > _MOST_KEPT:
            del self._latencies[::2]
            self._stride *= 2

    def _adjust(self, took: float) -> None:
        dropped = self._dropped / (self._served + self._dropped)
        wanted = self.limit
        if len(self._latencies) >= _FEWEST_LATENCIES:
            latency = sorted(self._latencies)[len(self._latencies) // 2]
            wanted = self._by_latency(Window(self._most, latency, self._served / took))
        if dropped:
            wanted = min(wanted, self.limit) * (1 - dropped / 2)
        self.limit = min(max(wanted, self._minimum), self._maximum)

    def _by_latency(self, window: Window) -> float:
        """The limit that the window speaks for. It grows only when it was reached: idleness proves nothing."""
        limit, latency, step = self.limit, window.latency, max(1.0, log10(self.limit))
        full = window.in_flight >= int(limit)
        self._past.append(window)
        if full:
            self._full.append(window)
        else:
            self._full.clear()
        baseline = self.baseline or latency
        queue = limit * (1 - baseline / latency) if latency else 0.0
        not_ours = _slower_by_itself(self._full)
        weight = _FOLLOWS if not_ours else _FALLS if latency < baseline else _RISES
        self.baseline = baseline + weight * (latency - baseline)
        if queue > _LONG * step and not not_ours:
            return min(limit - step, limit * max(0.5, baseline / latency) + _SHORT * step)
        # Reached in a burst and mostly idle (Little's law: so many were in flight on the average), it limits nothing.
        busy = window.throughput * latency > limit / 2
        if full and busy and not not_ours and _drifted(self._past):
            return limit - step
        if full and (queue < _SHORT * step or not_ours):
            return limit + (sqrt(limit) if queue < step else step)
        return limit


def _drifted(windows: Sequence[Window]) -> bool:
    """More in flight means more latency and hardly more throughput: the baseline has drifted, they queue."""
    if len(windows) < _FEWEST:
        return False
    return _correlation(windows, 1) > 0.5 and _correlation(windows, 2) < 0.3  # noqa: PLR2004 - as failsafe-go


def _slower_by_itself(windows: Sequence[Window]) -> bool:
    """Fewer in flight mean less throughput and no less latency: they do not queue."""
    in_flight = [window.in_flight for window in windows]
    if len(windows) < 4 or max(in_flight) < 1.2 * min(in_flight):  # noqa: PLR2004 - too few, or too much alike, to tell
        return False
    return _correlation(windows, 2) > 0.7 and _correlation(windows, 1) < 0.3  # noqa: PLR2004


def _correlation(windows: Sequence[Window], what: int) -> float:
    """Pearson's, of the calls in flight with the latency (1) or the throughput (2); 0 where one of them is constant."""
    n = len(windows)
    mean_x, mean_y = sum(window.in_flight for window in windows) / n, sum(window[what] for window in windows) / n
    pairs = [(window.in_flight - mean_x, window[what] - mean_y) for window in windows]
    spread = sum(x * x for x, _ in pairs) * sum(y * y for _, y in pairs)
    return sum(x * y for x, y in pairs) / sqrt(spread) if spread > 0 else 0.0
