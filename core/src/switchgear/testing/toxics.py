"""What can be wrong with a network, as data; named after the toxics of Toxiproxy, in seconds and bytes."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["upstream", "downstream"]


@dataclass(frozen=True, slots=True)
class Toxic:
    """Base of all toxics.

    Attributes:
        direction: which bytes it strikes: those to the server ("upstream") or those to the client ("downstream").
        toxicity: the part of all connections that it strikes, 0 to 1; each is drawn once.
    """

    _: KW_ONLY
    direction: Direction = "downstream"
    toxicity: float = 1.0

    def __post_init__(self) -> None:
        if self.direction not in ("upstream", "downstream"):
            raise ValueError(f"A toxic's direction is 'upstream' or 'downstream', not {self.direction!r}.")
        if not 0 <= self.toxicity <= 1:
            raise ValueError(f"A toxic's toxicity is a part of 1, not {self.toxicity}.")


@dataclass(frozen=True, slots=True)
class Latency(Toxic):
    """Every byte arrives `seconds` late, more or less up to `jitter`; how much gets through is not limited."""

    seconds: float
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Bandwidth(Toxic):
    """No more than so many bytes get through in a second."""

    bytes_per_second: float

    def __post_init__(self) -> None:
        Toxic.__post_init__(self)
        if self.bytes_per_second <= 0:
            raise ValueError("A bandwidth is above 0 bytes per second; for none at all there is Timeout.")


@dataclass(frozen=True, slots=True)
class Timeout(Toxic):
    """Nothing gets through: bytes are swallowed. After `seconds` the connection ends; never, for None.

    A connection of which bytes were swallowed never goes on with a hole: it is reset when the toxic is removed.
    """

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ResetPeer(Toxic):
    """After `seconds` the connection is reset (RST) at both ends."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Slicer(Toxic):
    """Bytes arrive in pieces of `size`, more or less up to `variation`, with `seconds` between two."""

    size: int
    variation: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        Toxic.__post_init__(self)
        if not 0 <= self.variation < self.size:
            raise ValueError("A slice has at least one byte: size must be above variation, and that not negative.")


@dataclass(frozen=True, slots=True)
class LimitData(Toxic):
    """The connection ends after so many bytes, in good order (FIN) or not (RST)."""

    bytes: int
    reset: bool = False
