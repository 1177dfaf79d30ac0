"""How much of a capability is offered: levels that fall at once and rise slowly.

Worsening applies at once and may jump: protection is never delayed. Improving asks for more (8 above the threshold,
held for a while), goes one level at a time, and is damped where the capability flaps. An operator may override.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum
from math import inf
from typing import ClassVar

from switchgear._damping import Damping
from switchgear._report import Report


class Level(IntEnum):
    """How much is offered now. They compare as one says it: `level >= Level.FALLBACK` is "at least a fallback"."""

    OFF = 0  #: nothing
    MINIMAL = 1  #: the bare minimum: read-only, writes queued
    FALLBACK = 2  #: stale, cached or static answers
    REDUCED = 3  #: all but what the application can do without
    FULL = 4  #: everything

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def of(score: float) -> Level:
        """The level that a score allows."""
        return next(level for level in reversed(Level) if score >= _FROM[level])


_FROM = {Level.FULL: 90.0, Level.REDUCED: 70.0, Level.FALLBACK: 40.0, Level.MINIMAL: 15.0, Level.OFF: -inf}

#: So far above a level's threshold a score has to be for the level to be reached from below.
_GAP = 8.0
#: The least time in seconds that it has to stay there.
_HOLD = 10.0


def hold_for(open_waits: Iterable[float] = ()) -> float:
    """Seconds that a score has to hold before the level rises: 10, or twice the longest wait of the breakers below.

    A breaker that opens again and again looks healthy for as long as its wait; shorter holds would rise each time.
    """
    return max(_HOLD, 2 * max(open_waits, default=0.0))


class LevelReason(Enum):
    """Why a level changed. A small, fixed set: it is a metric label."""

    WORSENED = "worsened"
    IMPROVED = "improved"
    OVERRIDDEN = "overridden"
    OVERRIDE_ENDED = "override_ended"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelChange:
    """The level of a capability changed. `detail` has the numbers that decided, or the operator's reason."""

    heard_by: ClassVar = "on_level_changed"

    capability: str
    from_level: Level
    to_level: Level
    reason: LevelReason
    detail: str
    score: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What an operator has decided, and until when. Raises ValueError without a reason or an end."""

    level: Level
    reason: str
    until: float

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError("An override needs a reason, for those who will wonder about it.")
        if not self.until < inf:
            raise ValueError("An override needs a time limit, lest it be forgotten.")


class LevelMachine:
    """The level of one capability. It knows no clock: times come in, in seconds, and never go back."""

    __slots__ = (
        "_damping", "_falling", "_good_since", "_overridden", "automatic", "capability", "hold", "level", "override",
    )  # fmt: skip

    def __init__(self, capability: str, *, hold: float = _HOLD) -> None:
        self.capability = capability
        self.hold = hold  #: seconds; see hold_for
        self.level = Level.FULL  #: what holds, as of the last observation
        self.automatic = Level.FULL  #: what would hold without an override
        #: Takes precedence until its time is over. To be set, and set to None, at will; the next observation tells.
        self.override: Override | None = None
        self._overridden: Override | None = None  # by what, at the last observation
        self._good_since: float | None = None  # since when the score has been good enough for the next level
        self._falling = False  # the last change was for the worse
        self._damping = Damping()

    def observe(self, report: Report, now: float) -> LevelChange | None:
        """Go by the capability's health as of now; returns the change of the level that holds, if it does change.

        A score is taken to last until the next observation, so these should come faster than the hold, and at once
        where something has happened.
        """
        self._follow(report.score, now)
        if self.override is not None and now >= self.override.until:
            self.override = None
        before, ended = self.level, self._overridden
        self.level = self.override.level if self.override else self.automatic
        self._overridden = self.override
        if self.level is before:
            return None
        if self.override:
            reason, detail = LevelReason.OVERRIDDEN, self.override.reason
        elif ended:
            reason, detail = LevelReason.OVERRIDE_ENDED, f"the override is over: {ended.reason}"
        elif self.level < before:
            path = " <- ".join(report.path)
            reason, detail = LevelReason.WORSENED, f"score {report.score:.1f}, {path}: {report.reason}"
        else:
            good = _FROM[self.level] + _GAP
            reason, detail = LevelReason.IMPROVED, f"score {report.score:.1f}, {good:g} or more for {self.hold:g} s"
        return LevelChange(
            capability=self.capability, from_level=before, to_level=self.level, reason=reason, detail=detail,
            score=report.score, at=now,
        )  # fmt: skip

    def _follow(self, score: float, now: float) -> None:
        allowed = Level.of(score)
        if allowed < self.automatic:
            self.automatic = allowed
            self._good_since = None
            if not self._falling:  # several steps down are one fall: it is coming up in between that makes it flap
                self._damping.penalize(now)
            self._falling = True
        elif not self._allows_more(score):
            self._good_since = None
        else:
            if self._good_since is None:
                self._good_since = now
            if now - self._good_since >= self.hold and not self._damping.suppresses(now):
                self.automatic = Level(self.automatic + 1)
                self._falling = False
                self._good_since = now if self._allows_more(score) else None

    def _allows_more(self, score: float) -> bool:
        return self.automatic < Level.FULL and score >= _FROM[Level(self.automatic + 1)] + _GAP
