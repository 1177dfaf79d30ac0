"""What a seed stands for: a gear, its traffic, its outages, and what operators do meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from switchgear._gear_config import GearConfig

Kind = Literal["refuses", "hangs", "slow", "errors", "throttles", "exhausted", "brownout", "rejects"]
DeedName = Literal["force_open", "disable", "metrics_only", "reset", "reconfigure", "override", "stall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A service, or one of its domains, is not itself for a while. Times in seconds from the beginning."""

    service: str
    domains: tuple[str, ...]
    kind: Kind
    begins: float
    ends: float
    #: Share of the calls that it strikes, 0..1.
    rate: float = 1.0
    #: Seconds that the backend asks to wait, where it says.
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What an operator does to a service or a capability; or the event loop, which stalls for `seconds`."""

    at: float
    what: DeedName
    on: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Who calls. Times in seconds."""

    callers: int
    pause: float  #: of each caller between two calls, on average
    patience: float | None  #: after which a caller gives up, on average
    streams: float  #: share of the calls whose answer comes in parts
    attempts: float  #: share of the calls whose client tries again by itself
    critical: bool  #: whether all calls are CRITICAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a run is made of; equal plans make equal runs."""

    seed: int
    config: GearConfig
    domains: Mapping[str, tuple[str, ...]]
    traffic: Traffic
    outages: tuple[Outage, ...]
    deeds: tuple[Deed, ...]
    #: Seconds until all faults are over.
    faults: float
    #: Somebody hears of every call, so that none passes without the lock.
    watched: bool
    #: Somebody listens, and raises.
    raising: bool

    @property
    def patience(self) -> float:
        """Seconds after the last fault within which everything has to be back."""
        services = self.config.services
        once, hold = 0.0, 10.0
        for breaker in (service.breaker for service in services):
            wait, ramp = breaker.backoff, breaker.ramp.duration if breaker.ramp else 0.0
            probing = breaker.probe_timeout + 2 * breaker.max_wait_in_half_open
            once = max(once, wait.max * (1 + wait.jitter) + 5 * wait.initial + probing + 2 * ramp)
            hold = max(hold, 2 * wait.initial)
        # Parents first, and each may relapse once; then levels rise one by one, damped for 180 s at most.
        return 2 * once * len(services) + 180 + 4 * hold + 60
