"""What happened, with the dates that people go by: the last transitions, levels, suspicions and deeds of operators."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from switchgear._degradation import SelfSuspicion
from switchgear._document import Entry
from switchgear._events import Transition
from switchgear._level import LevelChange
from switchgear._lock import fork_safe

#: Entries that are kept. Transitions and levels are bounded in number each minute, so this is an outage at least.
_KEPT = 500

# Reentrant: a finalizer may settle a call, and so cause a transition, in the midst of it.
_lock = fork_safe(threading.RLock())


def _today() -> datetime:
    return datetime.now(UTC)


class Timeline:
    """An observer of a gear that keeps what it hears of. `added` is called after each entry, on the thread of whatever
    caused it; `clock` gives the date and time.
    """

    def __init__(self, added: Callable[[], None], *, clock: Callable[[], datetime] = _today) -> None:
        self._added, self._clock = added, clock
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._seq = 0

    @property
    def seq(self) -> int:
        """The number of the last entry; 0 for none."""
        return self._seq

    def since(self, seq: int) -> list[Entry]:
        """The entries after that number, as far as they are kept, oldest first."""
        with _lock:
            return [entry for entry in self._entries if entry.seq > seq] if seq < self._seq else []

    def add(self, kind: str, name: str, *, domain: str = "", from_: str = "", to: str = "", reason: str = "",
            detail: str = "") -> None:  # fmt: skip
        """Something happened now."""
        with _lock:
            self._seq += 1
            self._entries.append(
                Entry(at=self._clock(), seq=self._seq, kind=kind, name=name, domain=domain, from_=from_, to=to,
                      reason=reason, detail=detail)
            )  # fmt: skip
        self._added()

    def on_transition(self, event: Transition) -> None:
        self.add("transition", event.breaker, domain=event.domain, from_=str(event.from_state), to=str(event.to_state),
                 reason=str(event.reason), detail=event.detail)  # fmt: skip

    def on_level_changed(self, event: LevelChange) -> None:
        self.add("level", event.capability, from_=str(event.from_level), to=str(event.to_level),
                 reason=str(event.reason), detail=event.detail)  # fmt: skip

    def on_self_suspected(self, event: SelfSuspicion) -> None:
        if event.services:
            names = ", ".join(event.services)
            detail = f"{names} failed within moments, and the event loop was {event.lag:.2f} s late"
            self.add("suspicion", "app", to="SELF_SUSPECT", reason="suspected", detail=detail)
        else:
            self.add("suspicion", "app", from_="SELF_SUSPECT", reason="cleared", detail="what failed at once is back")
