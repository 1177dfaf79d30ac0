"""What happens, in the log: one line for each change of a state or a level, with its reason and the numbers behind it.

    gear.subscribe(LogObserver())

The lines go to the logger "switchgear.events", on the thread of the call that caused the change, so its handlers should
not block. Each fact is an attribute of the record, too (`service`, `domain`, `from_state`, ...), which structlog's
ExtraAdder and JSON formatters take over.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, NamedTuple

from switchgear._degradation import SelfSuspicion
from switchgear._events import Beat, Transition, TripSuppressed
from switchgear._level import Level, LevelChange, LevelReason
from switchgear._lock import fork_safe
from switchgear._redact import redact
from switchgear._state import State

__all__ = ["LogObserver"]

#: Operators' reasons and breakers' numbers, in characters.
_LONGEST = 500

#: From here on not everything is as it should be.
_NOTABLE = {State.OPEN, State.FORCED_OPEN, State.DISABLED, State.METRICS_ONLY}

# Reentrant: a finalizer may settle a call, and so cause a change, in the midst of it.
_lock = fork_safe(threading.RLock())


class _Line(NamedTuple):
    level: int
    text: str
    fields: dict[str, Any]


class _Pace:
    """How much there is still to be said of one service or capability."""

    def __init__(self, most: int, at: float) -> None:
        self.left = float(most)
        self.at = at
        self.held: _Line | None = None
        self.skipped = 0  # before the one that is held


class LogObserver:
    """Writes changes of breakers and levels to `logger`.

    In an outage a service changes its state again and again. Of each service and each capability at most `most` lines
    are logged at once, and `most` in any `per` seconds; of those beyond, the last is logged later, with the number of
    those left out, so that the log ends with what holds. It needs the gear's heartbeat for that, or a further change.
    """

    def __init__(self, logger: logging.Logger | None = None, *, most: int = 10, per: float = 60.0) -> None:
        self._logger = logger or logging.getLogger("switchgear.events")
        self._most, self._rate = most, most / per
        self._paces: dict[str, _Pace] = {}

    def on_transition(self, event: Transition) -> None:
        """A warning where a breaker begins to refuse, or an operator has switched it; else for information."""
        level = logging.WARNING if event.to_state in _NOTABLE else logging.INFO
        text = f"{_name(event)} {event.from_state} -> {event.to_state}: {event.detail}"
        self._say(event.breaker, event.at, level, text, kind="transition", service=event.breaker,
                  domain=event.domain, from_state=event.from_state.name, to_state=event.to_state.name,
                  reason=event.reason.value, detail=event.detail)  # fmt: skip

    def on_trip_suppressed(self, event: TripSuppressed) -> None:
        """A warning."""
        text = f"{_name(event)} would have opened, and is METRICS_ONLY: {event.detail}"
        self._say(event.breaker, event.at, logging.WARNING, text, kind="trip_suppressed", service=event.breaker,
                  domain=event.domain, reason=event.reason.value, detail=event.detail)  # fmt: skip

    def on_level_changed(self, event: LevelChange) -> None:
        """An error where a capability is OFF, a warning where less is offered or an operator decides."""
        level = logging.INFO if event.reason is LevelReason.IMPROVED else logging.WARNING
        text = f"{event.capability} {event.from_level} -> {event.to_level}: {event.detail}"
        self._say(event.capability, event.at, logging.ERROR if event.to_level is Level.OFF else level, text,
                  kind="level", capability=event.capability, from_level=event.from_level.name,
                  to_level=event.to_level.name, reason=event.reason.value, detail=event.detail,
                  score=event.score)  # fmt: skip

    def on_self_suspected(self, event: SelfSuspicion) -> None:
        """A warning, and information when it is over."""
        level, late = logging.WARNING, f" (event loop {event.lag:.1f} s late)"
        text = f"{', '.join(event.services)} broke at once: this process or its network may be the cause{late}"
        if not event.services:
            level, text = logging.INFO, "This process and its network are suspected no more"
        self._say("", event.at, level, text, kind="suspicion", services=list(event.services),
                  lag=event.lag)  # fmt: skip

    def on_heartbeat(self, event: Beat) -> None:
        """Say what has been held back, where there is room again."""
        for pace in list(self._paces.values()):
            if pace.held is not None:
                self._go_on(pace, event.at)

    def _say(self, subject: str, at: float, level: int, text: str, **fields: Any) -> None:
        with _lock:
            pace = self._paces.get(subject) or self._paces.setdefault(subject, _Pace(self._most, at))
            pace.skipped += pace.held is not None
            pace.held = _Line(level, text, fields)
        self._go_on(pace, at)

    def _go_on(self, pace: _Pace, at: float) -> None:
        with _lock:
            pace.left = min(self._most, pace.left + max(0.0, at - pace.at) * self._rate)
            pace.at = max(at, pace.at)
            line, skipped = pace.held, pace.skipped
            if line is None or pace.left < 1:
                return
            pace.left -= 1
            pace.held, pace.skipped = None, 0
        fields = {name: redact(it, _LONGEST) if isinstance(it, str) else it for name, it in line.fields.items()}
        text = redact(line.text, _LONGEST) + (f" ({skipped} changes before it are left out)" if skipped else "")
        self._logger.log(line.level, "%s", text, extra={**fields, "left_out": skipped})


def _name(event: Transition | TripSuppressed) -> str:
    return f"{event.breaker}[{event.domain}]" if event.domain else event.breaker
