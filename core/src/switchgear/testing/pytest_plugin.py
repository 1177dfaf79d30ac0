"""Fixtures for tests of applications. pytest finds them by itself; `-p no:switchgear` leaves them out.

They work on the fixture `gear`, which an application overrides by its own.
"""

# What is imported here is imported in every test run there is: so switchgear itself is, when a fixture is asked for.

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from switchgear import BreakerGroup, CircuitBreaker, Switchgear
    from switchgear.testing import FaultProxy, Toxic, VirtualClock
    from switchgear.testing.events import Events
    from switchgear.testing.fixtures import Fault, FaultName, OpenBreaker


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """The clock of the default `gear`: it moves when it is told to."""
    from switchgear.testing import VirtualClock

    return VirtualClock()


@pytest.fixture
def gear(virtual_clock: VirtualClock) -> Switchgear:
    """An empty Switchgear by `virtual_clock`. Override it by a fixture that returns the application's."""
    from switchgear import Switchgear

    return Switchgear(clock=virtual_clock)


@pytest.fixture
def events(gear: Switchgear) -> Generator[Events]:
    """All that the gear's breakers say during the test."""
    from switchgear.testing.events import Events

    events = Events()
    unsubscribe = gear.subscribe(events)
    yield events
    unsubscribe()


@pytest.fixture
def open_breaker(gear: Switchgear) -> Generator[OpenBreaker]:
    """`open_breaker("cache")`, `open_breaker("llm", "gpt-4o")` or `open_breaker(breaker)`: calls are refused until the
    end of the test. Raises ConfigurationError for a service that there is not.
    """
    opened: list[CircuitBreaker | BreakerGroup] = []

    def open_breaker(which: str | CircuitBreaker, domain: str | None = None) -> None:
        if isinstance(which, str):
            breaker = gear.breaker(which) if domain is None else gear.breaker(which, domain)
        else:
            breaker = which
        breaker.force_open("a test says so")
        opened.append(breaker)

    yield open_breaker
    for breaker in opened:
        breaker.reset("the test is over")


@pytest.fixture
def proxies() -> Mapping[str, FaultProxy]:
    """The proxies that `fault` works on: override it by a fixture that puts one before each service's server."""
    return {}


@pytest.fixture
async def fault(proxies: Mapping[str, FaultProxy]) -> AsyncGenerator[Fault]:
    """Hurt the way to a service's server, until it is told to "heal" or the test ends.

    After `await fault("cache", "hang")` it hangs. It may also "refuse", "reset", be "slow" (1 s more) or "cut" its
    answers off, or suffer a Toxic of your own. Raises LookupError for a service without a proxy.
    """
    from switchgear.testing import Latency, LimitData, ResetPeer, Timeout, Toxic

    toxics = {"hang": Timeout(), "reset": ResetPeer(), "slow": Latency(1.0), "cut": LimitData(1)}

    async def fault(service: str, what: FaultName | Toxic) -> None:
        if service not in proxies:
            raise LookupError(
                f"There is no proxy before {service!r}. Override the fixture `proxies`, so that it gives one: "
                f'{{"{service}": proxy}}, with `async with FaultProxy("127.0.0.1", port) as proxy:`.'
            )
        if isinstance(what, Toxic):
            proxies[service].add(what)
        elif what == "refuse":
            await proxies[service].down()
        elif what == "heal":
            await proxies[service].heal()
        else:
            proxies[service].add(toxics[what])

    yield fault
    for proxy in proxies.values():
        await proxy.heal()
