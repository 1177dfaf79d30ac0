"""The fixtures that applications test themselves with. pytest finds them by the entry point, as it does for users."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from switchgear import CallNotPermitted, State, Switchgear, circuit
from switchgear.testing import Events, Fault, FaultProxy, Latency, OpenBreaker, VirtualClock
from switchgear.testing.virtual_time import run, virtual
from tests.testing.conformance import acme

if TYPE_CHECKING:
    from anyio.abc import TaskStatus


@pytest.fixture
async def proxies() -> AsyncGenerator[dict[str, FaultProxy]]:
    async with acme.server() as server, FaultProxy("127.0.0.1", server.port) as proxy:
        yield {"acme": proxy}


@pytest.fixture
async def client(gear: Switchgear, proxies: dict[str, FaultProxy]) -> AsyncGenerator[acme.Client]:
    async with acme.connect(acme.Settings(port=proxies["acme"].port, timeout=0.5)) as client:
        yield gear.guard(client, acme.ACME, name="acme")


@pytest.mark.anyio
async def test_an_open_breaker_refuses_and_events_tell(
    gear: Switchgear, client: acme.Client, open_breaker: OpenBreaker, events: Events
) -> None:
    """What a test breaks is open until it ends, and what was said of it is there."""
    assert await client.get("k") == "fine"
    open_breaker("acme")
    with pytest.raises(acme.AcmeUnreachable) as refused:
        await client.get("k")
    assert isinstance(refused.value, CallNotPermitted)
    assert events.verdicts == [("acme.get", "SUCCESS")]
    assert [event.state for event in events.refused] == [State.FORCED_OPEN]
    assert [event.to_state for event in events.transitions] == [State.FORCED_OPEN]


def test_breakers_without_a_gear_are_opened_too(open_breaker: OpenBreaker) -> None:
    """By the object that a function was decorated with."""
    breaker = circuit("quotes")
    quote = breaker(lambda: 1)
    assert quote() == 1
    open_breaker(breaker)
    with pytest.raises(CallNotPermitted):
        quote()


@pytest.mark.anyio
@pytest.mark.parametrize("what", ["refuse", "hang", "reset", "cut", Latency(1.0)])
async def test_a_fault_is_suffered_for_real(client: acme.Client, fault: Fault, what: Any) -> None:
    """On the wire, by its name or as a toxic, until it is told to heal; and a service without a proxy has none."""
    await client.get("k")
    await fault("acme", what)
    with pytest.raises(acme.AcmeUnreachable):
        await client.get("k")
    with pytest.raises(LookupError, match="Override the fixture `proxies`"):
        await fault("cache", "hang")
    await fault("acme", "heal")
    assert await client.get("k") == "fine"


def test_the_clock_is_the_gears(gear: Switchgear, virtual_clock: VirtualClock) -> None:
    """Time passes for breakers when the test says so."""
    before = gear.clock()
    virtual_clock.advance(3600)
    assert gear.clock() == before + 3600


def test_a_configured_gear_goes_by_it_too(virtual_clock: VirtualClock, tmp_path: Path) -> None:
    """A configuration from a file or the environment, read in a test."""
    empty = tmp_path / "empty.toml"
    empty.touch()
    from_file = Switchgear.from_toml(empty, clock=virtual_clock)
    from_environment = Switchgear.from_env({"SWITCHGEAR_CONFIG": str(empty)}, clock=virtual_clock)
    assert from_file.clock is from_environment.clock is virtual_clock


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_hour_passes_at_once(backend: str) -> None:
    """3,600 s of sleep, of timeouts and of waiting for others, in well under a second."""

    async def main() -> tuple[float, bool]:
        async def late(*, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
            await anyio.sleep(1800)
            task_status.started()

        started = anyio.current_time()
        async with anyio.create_task_group() as group:
            await group.start(late)
        with anyio.move_on_after(1800) as scope:
            await anyio.sleep_forever()
        return anyio.current_time() - started, scope.cancelled_caught

    began = perf_counter()
    passed, cancelled = run(main, backend=backend)
    assert passed == pytest.approx(3600)
    assert cancelled
    assert perf_counter() - began < 1


@pytest.mark.anyio
class TestInVirtualTime:
    """anyio's own pytest plugin runs tests in virtual time."""

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> Any:
        return virtual(request.param)

    async def test_sleeping(self) -> None:
        """A day takes no time."""
        began, started = perf_counter(), anyio.current_time()
        await anyio.sleep(86_400)
        assert anyio.current_time() - started == pytest.approx(86_400)
        assert perf_counter() - began < 1
