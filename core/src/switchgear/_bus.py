"""Observers: who listens to what. They hear of decisions after they are made, and can change none."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import ClassVar, Protocol

from switchgear._lock import fork_safe
from switchgear._verdict import Verdict

_log = logging.getLogger("switchgear")

# For those who come and go; nobody waits for it to publish. Reentrant: a finalizer may publish in the midst of it.
_lock = fork_safe(threading.RLock())

#: An observer that keeps raising is of no use to anyone, and each error costs time on somebody's call.
_MOST_ERRORS = 10

#: The methods by which an observer hears; each event names its own.
_METHODS = (
    "on_transition",
    "on_trip_suppressed",
    "on_refused",
    "on_settled",
    "on_level_changed",
    "on_self_suspected",
    "on_heartbeat",
    "on_outcome",
    "on_injected",
    "on_retried",
    "on_hedged",
    "on_limited",
    "on_degraded",
)


class Event(Protocol):
    """Something that happened, and the name of the method by which observers hear of it."""

    heard_by: ClassVar[str]


class Observer(Protocol):
    """Any object with one or more of `on_transition(event)`, `on_trip_suppressed(event)`, `on_refused(event)`,
    `on_settled(event)`, `on_level_changed(event)`, `on_self_suspected(event)`, `on_heartbeat(event)`,
    `on_injected(event)`, `on_retried(event)`, `on_hedged(event)`, `on_limited(event)`, `on_degraded(event)`. They are
    called on the thread or task that caused the event, outside any lock, in the order of the decisions of each breaker
    (only a refusal may be told after what came later, on another thread); so they should be quick, and must not block.

    Listening to `on_settled` costs: each call then takes the locked way. Who wants the calls and not their order has
    `on_outcome(service, domain, operation, operation_class, verdict, seconds)` instead, which is more than ten times
    cheaper: nothing is built for it, and it is told when a call ends, perhaps before an event that came first.
    """


class Bus:
    """The observers of one gear, or of one breaker, indexed by what they listen to."""

    __slots__ = ("_errors", "_listeners")

    def __init__(self) -> None:
        self._listeners: dict[str, tuple[tuple[object, Callable[..., object]], ...]] = {}
        self._errors: Counter[int] = Counter()

    def subscribe(self, observer: object) -> Callable[[], None]:
        """Add an observer; the result takes it away again. Raises TypeError for an object that hears nothing."""
        heard = {name: getattr(observer, name, None) for name in _METHODS}
        if not any(heard.values()):
            methods = ", ".join(_METHODS)
            raise TypeError(f"{type(observer).__name__} observes nothing: it has none of the methods {methods}.")
        with _lock:
            for name, method in heard.items():
                if method is not None:
                    self._listeners[name] = (*self._listeners.get(name, ()), (observer, method))

        def unsubscribe() -> None:
            self._remove(observer)

        return unsubscribe

    @property
    def observers(self) -> list[object]:
        """All who listen, each once."""
        listening = (observer for entries in list(self._listeners.values()) for observer, _ in entries)
        return list({id(observer): observer for observer in listening}.values())

    @property
    def heard(self) -> bool:
        """Whether anybody may be listening to anything."""
        return bool(self._listeners)

    def hears(self, event: type[Event]) -> bool:
        """Whether anybody listens to this kind of event: else it need not be built."""
        return bool(self._listeners.get(event.heard_by))

    def hears_outcomes(self) -> bool:
        """Whether anybody listens to the outcome of every call."""
        return bool(self._listeners.get("on_outcome"))

    def publish(self, event: Event) -> None:
        """Tell all who listen. An observer that raises is logged, and dropped after ten errors."""
        for observer, method in self._listeners.get(event.heard_by, ()):
            try:
                method(event)
            except Exception:  # noqa: BLE001 - an observer is foreign code; whatever it raises must not reach the call
                self._failed(observer, type(event).__name__)

    def outcome(  # noqa: PLR0917 - the facts of one outcome
        self, breaker: str, domain: str, operation: str, operation_class: str, verdict: Verdict, seconds: float
    ) -> None:
        """Tell all who listen of a call's outcome, as `publish` does."""
        for observer, method in self._listeners.get("on_outcome", ()):
            try:
                method(breaker, domain, operation, operation_class, verdict, seconds)
            except Exception:  # noqa: BLE001 - as above
                self._failed(observer, "an outcome")

    def _failed(self, observer: object, what: str) -> None:
        self._errors[id(observer)] += 1
        _log.exception("Observer %r failed on %s.", observer, what)
        if self._errors[id(observer)] >= _MOST_ERRORS:
            self._remove(observer)
            _log.error("Observer %r failed %d times and is dropped.", observer, _MOST_ERRORS)

    def _remove(self, observer: object) -> None:
        with _lock:
            for name, listeners in self._listeners.items():
                self._listeners[name] = tuple(entry for entry in listeners if entry[0] is not observer)
            self._errors.pop(id(observer), None)
