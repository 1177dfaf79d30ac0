"""How much a call or a capability matters, and which calls are shed under pressure: the least important first."""

from __future__ import annotations

from enum import Enum
from math import inf


class Criticality(Enum):
    """Four classes, as Netflix's prioritized load shedding names them, most important first. What nobody has classed is
    CRITICAL, as in Google's SRE book: nothing is shed that was not said to be expendable.
    """

    CRITICAL = "critical"  #: without it the application has failed its user
    DEGRADED = "degraded"  #: users notice when it is missing, and go on
    BEST_EFFORT = "best_effort"  #: nice to have; nobody waits for it
    BULK = "bulk"  #: may as well be done tonight

    def __str__(self) -> str:
        return self.name

    @property
    def shed_at(self) -> float:
        """The pressure (see `sheds`) from which such calls are shed; infinity: never."""
        return _SHED_AT[self]


# Shedding begins where the saturation score begins to fall, at 80 % in use, and goes on in equal steps up to full. Then
# there is room left for CRITICAL calls, which only the limit itself refuses.
_SHED_AT = {
    Criticality.BULK: 0.80,
    Criticality.BEST_EFFORT: 0.87,
    Criticality.DEGRADED: 0.94,
    Criticality.CRITICAL: inf,
}


def sheds(criticality: Criticality, pressure: float) -> bool:
    """Whether such a call is shed at a pressure: the utilisation (0 empty, 1 full) of what it would use."""
    return pressure >= criticality.shed_at
