"""Drawing a plan from a seed. Each seed has some features and lacks others: bugs hide where few things are on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any, get_args

from switchgear._breaker_config import Backoff, BreakerConfig, Ramp
from switchgear._criticality import Criticality
from switchgear._default_pipeline import default_strategies, in_order
from switchgear._gear_config import GearConfig, ServiceConfig
from switchgear._graph import Capability
from switchgear._pipeline import Strategy
from switchgear._strategies.bulkhead import Bulkhead
from switchgear._strategies.fallback import Fallback
from switchgear._strategies.hedge import Hedge
from switchgear._window import CountWindow, TimeWindow
from switchgear.testing.simulation._plan import Deed, DeedName, Kind, Outage, Plan, Traffic

#: What a seed may have or lack, each with even odds.
FEATURES = (
    "several domains", "requirements", "preferences", "alternatives", "slow calls", "rows of failures", "time windows",
    "ramps", "growing waits", "active checks", "pipelines", "hedges", "bulkheads", "fallbacks", "streams",
    "own attempts", "impatience", "criticalities", "operators", "overrides", "reconfiguration", "stalls", "watched",
    "raising observers", *get_args(Kind),
)  # fmt: skip

_SECONDS = 20.0
_NAMES = ("db", "cache", "files", "llm", "search")


def draw(seed: int, config: GearConfig | None = None) -> Plan:
    """The plan of a seed; with `config` it is that gear's, and the seed decides on the rest."""
    rng = Random(f"plan {seed}")  # noqa: S311  the same in every run
    on = frozenset(feature for feature in FEATURES if rng.random() < 0.5)  # noqa: PLR2004 - even odds
    config = _gear(rng, on) if config is None else config
    longest = max((service.breaker.backoff.initial for service in config.services), default=1.0)
    faults = max(_SECONDS, 6 * longest)
    domains = {service.name: _domains(rng, on) for service in config.services}
    callers = rng.randint(2, 8)
    return Plan(
        seed=seed,
        config=config,
        domains=domains,
        traffic=Traffic(
            callers=callers,
            pause=callers / rng.choice([5.0, 10.0, 20.0]),
            patience=rng.choice([0.2, 1.0, 5.0]) if "impatience" in on else None,
            streams=0.3 if "streams" in on else 0.0,
            attempts=0.3 if "own attempts" in on else 0.0,
            critical="criticalities" not in on,
        ),
        outages=tuple(_outages(rng, on, domains, faults, longest)),
        deeds=tuple(sorted(_deeds(rng, on, config, faults), key=lambda deed: deed.at)),
        faults=faults,
        watched="watched" in on,
        raising="raising observers" in on,
    )


def _domains(rng: Random, on: frozenset[str]) -> tuple[str, ...]:
    # None is called "", as the main breaker is: events say which breaker has moved by its name.
    return tuple(f"d{number}" for number in range(rng.randint(2, 3) if "several domains" in on else 1))


def _gear(rng: Random, on: frozenset[str]) -> GearConfig:
    from switchgear.testing.simulation._backend import UNCONNECTED

    services: list[ServiceConfig] = []
    for name in _NAMES[: rng.randint(1, 4)]:
        breaker = _breaker(rng, on)
        known = [service.name for service in services]
        requires = rng.sample(known, min(len(known), rng.randint(0, 2))) if "requirements" in on else ()
        pipeline = _pipeline(rng, on, breaker) if "pipelines" in on and rng.random() < 0.8 else None  # noqa: PLR2004
        services.append(
            ServiceConfig(
                name=name, plugin="simulated", backend=UNCONNECTED, settings=None, breaker=breaker, pipeline=pipeline,
                requires=tuple(requires),
            )
        )  # fmt: skip
    names = [service.name for service in services]
    capabilities: dict[str, Capability] = {}
    for number in range(rng.randint(1, 3)):
        capabilities[f"offer-{number}"] = _capability(rng, on, [*names, *capabilities])
    return GearConfig(services=tuple(services), capabilities=capabilities, source=f"seed {rng}")


def _breaker(rng: Random, on: frozenset[str]) -> BreakerConfig:
    window = TimeWindow(40.0, 4) if "time windows" in on and rng.random() < 0.5 else CountWindow(rng.randint(8, 32))  # noqa: PLR2004
    wait = rng.choice([0.5, 1.0, 2.0])
    growing = Backoff(initial=wait, multiplier=2.0, max=8.0, jitter=rng.choice([0.0, 1.0]))
    return BreakerConfig(
        failure_rate_threshold=rng.choice([0.25, 0.5, 1.0]),
        slow_call_duration_threshold=rng.choice([1.0, 2.0]) if "slow calls" in on else None,
        consecutive_failures=rng.choice([2, 5]) if "rows of failures" in on else None,
        minimum_number_of_calls=rng.randint(2, 8),
        window=window,
        wait_duration_in_open=growing if "growing waits" in on else wait,
        permitted_calls_in_half_open=rng.randint(1, 4),
        probe_timeout=rng.choice([2.0, 5.0]),
        max_wait_in_half_open=rng.choice([4.0, 8.0]),
        ramp=Ramp(initial=rng.choice([0.1, 0.5]), duration=rng.choice([2.0, 8.0])) if "ramps" in on else None,
        probe_with=rng.choice(["health", "both"]) if "active checks" in on else "traffic",
    )


def _pipeline(rng: Random, on: frozenset[str], breaker: BreakerConfig) -> tuple[Strategy, ...]:
    strategies: list[Strategy] = list(default_strategies(breaker))
    if "hedges" in on:
        strategies.append(Hedge(delay=rng.choice([0.1, 0.5])))
    if "bulkheads" in on:
        strategies.append(Bulkhead(rng.randint(1, 4), queue=rng.randint(0, 4), max_wait=2.0))
    if "fallbacks" in on:
        strategies.append(Fallback("fallback"))
    return tuple(in_order(strategies))


def _capability(rng: Random, on: frozenset[str], known: list[str]) -> Capability:
    needed = rng.sample(known, rng.randint(1, len(known)))
    requires, rest = needed[:1], needed[1:]
    any_of = [rest[:2]] if "alternatives" in on and len(rest) > 1 else []
    rest = [name for name in rest if not any_of or name not in any_of[0]]
    prefers = dict.fromkeys(rest, 0.5 / len(rest)) if "preferences" in on and rest else {}
    return Capability(
        requires=requires, prefers=prefers, any_of=any_of, criticality=rng.choice(list(Criticality)),
        importance=rng.choice([1.0, 2.0]),
    )  # fmt: skip


def _outages(
    rng: Random, on: frozenset[str], domains: Mapping[str, tuple[str, ...]], faults: float, longest: float
) -> list[Outage]:
    kinds = [kind for kind in get_args(Kind) if kind in on] or ["refuses"]
    outages: list[Outage] = []
    for _ in range(rng.randint(1, 6)):
        service = rng.choice(sorted(domains))
        struck = domains[service] if rng.random() < 0.5 else (rng.choice(domains[service]),)  # noqa: PLR2004
        begins = rng.uniform(0.0, 0.8 * faults)
        outages.append(
            Outage(
                service=service, domains=struck, kind=rng.choice(kinds), begins=begins,
                ends=min(faults, begins + 1.0 + rng.expovariate(1 / (4 * longest))), rate=rng.choice([0.3, 0.7, 1.0]),
                retry_after=rng.choice([None, 0.5, 3.0]),
            )
        )  # fmt: skip
    return outages


def _deeds(rng: Random, on: frozenset[str], config: GearConfig, faults: float) -> list[Deed]:
    services = [service.name for service in config.services]
    operators: tuple[DeedName, ...] = ("force_open", "disable", "metrics_only", "reset")
    possible: list[tuple[DeedName, list[str]]] = [(what, services) for what in operators if "operators" in on]
    if "reconfiguration" in on:
        possible.append(("reconfigure", services))
    if "overrides" in on and config.capabilities:
        possible.append(("override", list(config.capabilities)))
    if "stalls" in on:
        possible.append(("stall", [""]))
    deeds: list[Deed] = []
    for _ in range(rng.randint(1, 6) if possible else 0):
        what, targets = rng.choice(possible)
        at, seconds = rng.uniform(0.0, 0.9 * faults), rng.choice([0.5, 2.0, 5.0])
        deeds.append(Deed(at=at, what=what, on=rng.choice(targets), seconds=seconds))
    return deeds


def with_chance(config: GearConfig, roll: Any) -> GearConfig:
    """The same gear, with all the chance in its strategies replaced by `roll`."""

    def rolled(strategy: Any) -> Any:
        return replace(strategy, roll=roll) if hasattr(strategy, "roll") else replace(strategy)

    services = [
        replace(service, pipeline=None if service.pipeline is None else tuple(map(rolled, service.pipeline)))
        for service in config.services
    ]
    return replace(config, services=tuple(services))
