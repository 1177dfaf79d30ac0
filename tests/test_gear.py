"""The gear: services by name, connected in order, closed in reverse, whatever happens in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest

from switchgear import (
    BreakerConfig,
    BreakerGroup,
    CircuitBreaker,
    ConfigurationError,
    Service,
    State,
    Switchgear,
    SwitchgearError,
    _gear,
)
from switchgear._gear_config import GearConfig, ServiceConfig
from switchgear.spi import Backend
from switchgear.testing import VirtualClock
from tests.backends import GET, Client, Settings, backend_of
from tests.support import SMALL, Ear

pytestmark = pytest.mark.anyio

BACKEND = backend_of()


class Journal:
    """Backends whose connecting and closing is written down, and can go wrong."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def backend(self, **faults: Exception | anyio.Event) -> Backend[Client, Settings]:
        @asynccontextmanager
        async def connect(settings: Settings) -> AsyncIterator[Client]:
            self.lines.append(f"+{settings.name}")
            await anyio.lowlevel.checkpoint()
            if isinstance(fault := faults.get("connect"), Exception):
                raise fault
            try:
                yield Client(settings.name)
            finally:
                await anyio.lowlevel.checkpoint()
                if isinstance(fault := faults.get("close"), anyio.Event):
                    await fault.wait()
                elif isinstance(fault, Exception):
                    raise fault
                self.lines.append(f"-{settings.name}")

        return backend_of(connect=connect)


def configured(**backends: Backend[Any, Any]) -> Switchgear:
    services = (
        ServiceConfig(name=name, plugin="toy", backend=backend, settings=Settings(name=name), breaker=SMALL)
        for name, backend in backends.items()
    )
    return Switchgear(GearConfig(services=tuple(services)))


# -- coming and going --------------------------------------------------------------------------------------------------


async def test_services_are_connected_in_order_and_closed_in_reverse() -> None:
    """As they are configured; their clients are there by name, guarded."""
    journal = Journal()
    gear = configured(a=journal.backend(), b=journal.backend())
    async with gear as entered:
        assert entered is gear
        assert journal.lines == ["+a", "+b"]
        assert [gear.client(name).name for name in ("a", "b")] == ["a", "b"]
        assert gear.client("a").service is gear.service("a")
        assert gear.breaker("a").config == SMALL
    assert journal.lines == ["+a", "+b", "-b", "-a"]


async def test_a_start_that_fails_half_way_closes_what_is_open() -> None:
    """The error is the one that happened, and nothing stays behind."""
    journal = Journal()
    broken = journal.backend(connect=OSError("no route"))
    with pytest.raises(OSError, match="no route"):
        async with configured(a=journal.backend(), b=broken, c=journal.backend()):
            pytest.fail("not reached")
    assert journal.lines == ["+a", "+b", "-a"]


async def test_an_error_of_the_application_passes_and_everything_is_closed() -> None:
    """The same object."""
    journal = Journal()
    mine = RuntimeError("mine")
    with pytest.raises(RuntimeError) as raised:
        async with configured(a=journal.backend()):
            raise mine
    assert raised.value is mine
    assert journal.lines == ["+a", "-a"]


async def test_one_that_cannot_be_closed_keeps_none_of_the_others_open() -> None:
    """Its error comes out when all is done."""
    journal = Journal()
    broken = journal.backend(close=OSError("stuck"))
    with pytest.raises(OSError, match="stuck"):
        async with configured(a=journal.backend(), b=broken):
            pass
    assert journal.lines == ["+a", "+b", "-a"]


async def test_a_cancelled_application_closes_its_clients() -> None:
    """Closing awaits, and is not cancelled for a while; the cancellation goes on its way."""
    journal = Journal()
    with anyio.CancelScope() as scope:
        async with configured(a=journal.backend()):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert journal.lines == ["+a", "-a"]


async def test_a_cancelled_start_closes_what_is_open() -> None:
    """Half-way there."""
    journal = Journal()

    @asynccontextmanager
    async def connect(_settings: Settings) -> AsyncIterator[Client]:
        scope.cancel()
        await anyio.sleep_forever()
        yield Client()

    with anyio.CancelScope() as scope:
        async with configured(a=journal.backend(), b=backend_of(connect=connect)):
            pytest.fail("not reached")
    assert scope.cancelled_caught
    assert journal.lines == ["+a", "-a"]


async def test_a_client_that_never_closes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a limit, so that the application ends; those before it are still closed."""
    monkeypatch.setattr(_gear, "_CLOSING", 0.01)
    journal = Journal()
    gear = configured(a=journal.backend(close=anyio.Event()))
    with anyio.fail_after(10):
        async with gear:
            pass
    assert journal.lines == ["+a"]


async def test_a_gear_is_entered_once() -> None:
    """Neither twice at once nor again."""
    gear = Switchgear()
    async with gear:
        with pytest.raises(SwitchgearError, match=r"entered already. Make one for each application, enter it once\."):
            await gear.__aenter__()
    with pytest.raises(SwitchgearError, match="entered already"):
        await gear.__aenter__()


async def test_it_can_be_used_without_being_entered() -> None:
    """For clients that the application made; only active checks need a running gear."""
    gear = Switchgear()
    client = gear.guard(Client(), BACKEND, name="toy")
    client.get()
    assert client.happened == ["get "]


# -- services ----------------------------------------------------------------------------------------------------------


def test_guarding_gives_the_client_back() -> None:
    """The very object, known by its name, with the backend's recommended rules or those given."""
    gear, client = Switchgear(), Client()
    assert gear.guard(client, BACKEND, name="toy") is client
    assert gear.client("toy") is client
    assert gear.breaker("toy").config == BACKEND.recommended
    gear.guard(Client(), BACKEND, name="other", breaker=BreakerConfig())
    assert gear.breaker("other").config == BreakerConfig()
    assert list(gear.services) == ["toy", "other"]


def test_two_clients_of_one_name_are_one_service() -> None:
    """They share its breakers; the name keeps the first."""
    gear, first, second = Switchgear(), Client("1"), Client("2")
    gear.guard(first, BACKEND, name="toy")
    gear.guard(second, BACKEND, name="toy")
    assert first.service is second.service
    assert gear.client("toy") is first


def test_a_client_that_cannot_be_guarded_leaves_nothing_behind() -> None:
    """No service, and none in the graph: a report would show what nobody calls."""
    gear = Switchgear()

    def guard(client: Client, service: Service) -> Client:
        raise TypeError("not such a client")

    with pytest.raises(TypeError, match="not such a client"):
        gear.guard(Client(), replace(backend_of(), guard=guard), name="a")
    assert not gear.services
    assert not gear.degradation.graph.services


def test_a_name_of_another_backend_is_taken() -> None:
    """And the error says by whom."""
    gear = Switchgear()
    gear.guard(Client(), BACKEND, name="toy")
    with pytest.raises(ConfigurationError) as error:
        gear.guard(Client(), backend_of(name="other"), name="toy")
    assert str(error.value) == "services.toy: is already a service of the backend 'toy'. Take another name."


@pytest.mark.parametrize("ask", [Switchgear.service, Switchgear.client, Switchgear.breaker])
def test_an_unknown_name_is_answered_with_the_nearest(ask: Any) -> None:
    """For service, client and breaker alike; a configured one that is not connected yet is told apart."""
    gear = configured(cache=BACKEND)
    gear.guard(Client(), BACKEND, name="files")
    with pytest.raises(ConfigurationError) as error:
        ask(gear, "flies")
    assert str(error.value) == "services: There is no service 'flies'. Did you mean 'files'?"
    assert error.value.__suppress_context__
    with pytest.raises(ConfigurationError) as error:
        ask(gear, "cache")
    assert str(error.value) == (
        "services.cache: The service 'cache' is configured but not connected. Enter the gear first: `async with gear:`."
    )


def test_breakers_by_service_and_domain() -> None:
    """A group for the service, a breaker for one domain of it."""
    gear = Switchgear()
    gear.guard(Client(), BACKEND, name="toy")
    assert isinstance(gear.breaker("toy"), BreakerGroup)
    assert isinstance(gear.breaker("toy", "a"), CircuitBreaker)
    assert gear.breaker("toy", "a") is gear.breaker("toy").branch("a")


def test_observers_hear_of_all_services() -> None:
    """Of those there are and those to come, until they leave."""
    gear, first, second = Switchgear(), Client(), Client()
    gear.guard(first, BACKEND, name="first")
    ear = Ear()
    leave = gear.subscribe(ear)
    gear.guard(second, BACKEND, name="second")
    first.get()
    second.get()
    assert [event.breaker for event in ear.heard] == ["first", "second"]
    leave()
    first.get()
    assert len(ear.heard) == 2


def test_all_breakers_go_by_the_gears_clock() -> None:
    """A test moves it by hand."""
    clock = VirtualClock()
    gear, client = Switchgear(clock=clock), Client()
    gear.guard(client, BACKEND, name="toy")
    gear.breaker("toy").force_open("test", for_=1.0)
    clock.advance(1.0)
    assert gear.breaker("toy").state is State.HALF_OPEN


# -- a service ---------------------------------------------------------------------------------------------------------


def test_a_service_counts_what_its_backend_declares() -> None:
    """By labels in any order; what is not declared is an error of the plugin's author."""
    gear, client = Switchgear(), Client()
    gear.guard(client, BACKEND, name="toy")
    service = gear.service("toy")
    service.count("hits")
    service.count("hits", 2.0, a="1", b="2")
    service.count("hits", 3.0, b="2", a="1")
    assert service.counts() == {("hits", ()): 1, ("hits", (("a", "1"), ("b", "2"))): 5.0}
    with pytest.raises(KeyError, match="'toy' declares no metric 'misses'"):
        service.count("misses")
    assert repr(service) == "<Service toy (toy)>"


def test_a_service_admits_by_domain_and_says_whether_it_refuses() -> None:
    """What a guard asks."""
    gear, client = Switchgear(), Client()
    gear.guard(client, BACKEND, name="toy")
    service = gear.service("toy")
    permit = service.admit(GET, "a")
    assert (permit.operation, permit.domain) == ("toy.get", "a")
    permit.succeed()
    assert service.closed("a")
    service.group.force_open("test")
    assert not service.closed("a")
