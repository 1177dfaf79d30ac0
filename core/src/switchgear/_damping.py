"""Flap damping: what falls again and again is not believed at once when it rises. For rising only, never for falling.

The method is that of BGP's route damping (FRR's `bgp_damp.c`): a penalty for each fall, which decays; above one mark
rising is suppressed, until the penalty is below another. The highest penalty that is kept bounds how long that lasts.
BGP's own history is why protection is not damped: there, damping that held back good routes did harm.
"""

from __future__ import annotations

from switchgear._decay import left

_FALL = 1000.0
_SUPPRESS, _REUSE = 2000.0, 750.0
_HALF_LIFE = 60.0  # BGP's is 15 minutes, for routes; a backend's troubles are over in minutes
_LONGEST = 180.0
_CEILING = _REUSE * 2 ** (_LONGEST / _HALF_LIFE)


class Damping:
    """The penalty of one thing that may flap. Times in seconds, never going back."""

    __slots__ = ("_at", "_penalty", "_suppressing")

    def __init__(self) -> None:
        self._penalty = 0.0
        self._at = 0.0  # as of when the penalty is
        self._suppressing = False

    def penalize(self, now: float) -> None:
        """It fell."""
        self._penalty, self._at = min(self._now(now) + _FALL, _CEILING), now
        self._suppressing = self._suppressing or self._penalty >= _SUPPRESS

    def suppresses(self, now: float) -> bool:
        """Whether it has fallen too often of late to rise now: at most 180 s after its last fall."""
        if self._suppressing and self._now(now) <= _REUSE:
            self._suppressing = False
        return self._suppressing

    def _now(self, now: float) -> float:
        return self._penalty * left(now - self._at, _HALF_LIFE)
