"""The gate of a capability: what runs at which level, and what a fallback may not touch."""

from __future__ import annotations

import pickle
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from switchgear import (
    BreakerConfig,
    CallNotPermitted,
    CapabilityNotOffered,
    ConfigurationError,
    Level,
    Ramp,
    State,
    SwitchgearError,
)
from tests.backends import GET
from tests.support import SMALL
from tests.test_manager import Board

pytestmark = pytest.mark.anyio


def board_of(rules: BreakerConfig = SMALL) -> Board:
    board = Board("db", "cache", rules=rules)
    board.gear.capability("checkout", requires=["db"], prefers={"cache": 0.2})
    return board


async def test_while_the_level_is_high_enough_it_runs() -> None:
    """With its own arguments, result and name."""
    board = board_of()

    @board.gear.requires("checkout", at_least=Level.REDUCED)
    async def pay(amount: int, *, currency: str) -> str:
        """Takes money."""
        return f"{amount} {currency}"

    assert await pay(3, currency="EUR") == "3 EUR"
    assert (pay.__name__, pay.__doc__) == ("pay", "Takes money.")


async def test_below_it_the_fallback_runs_instead() -> None:
    """With the same arguments."""
    board = board_of()

    async def later(amount: int) -> str:
        return f"{amount} queued"

    @board.gear.requires("checkout", otherwise=later)
    async def pay(amount: int) -> str:
        raise AssertionError("it must not run")

    board.fell("db")
    board.clock.advance(0.1)
    assert await pay(3) == "3 queued"


async def test_without_a_fallback_it_says_why() -> None:
    """What is off, what limits it, and since nobody is to blame here, what to do; it travels between processes."""
    board = board_of()

    @board.gear.requires("checkout", at_least=Level.FULL)
    async def pay() -> None: ...

    board.fell("db")
    board.clock.advance(0.1)
    with pytest.raises(CapabilityNotOffered) as error:
        await pay()
    assert (error.value.capability, error.value.level, error.value.at_least) == ("checkout", "OFF", "FULL")
    assert "checkout <- db <- " in str(error.value)
    assert isinstance(error.value, SwitchgearError)
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


async def test_an_operators_decision_is_named_as_such() -> None:
    """With the reason that was given."""
    board = board_of()

    @board.gear.requires("checkout")
    async def pay() -> None: ...

    board.manager.override("checkout", Level.OFF, "the bank is being moved", for_=60.0)
    with pytest.raises(CapabilityNotOffered, match="the bank is being moved"):
        await pay()


async def test_who_waits_for_the_level_to_rise_is_not_kept_away() -> None:
    """The level is held back for those who show it; the backend serves, so its callers are let through."""
    board = board_of()
    paid: list[Level] = []

    @board.gear.requires("checkout", at_least=Level.FULL)
    async def pay() -> None:
        paid.append(board.manager.level("checkout"))

    board.fell("db")
    board.manager.look()
    board.gear.breaker("db").reset()
    board.clock.advance(60.0)
    board.manager.look()
    await pay()
    assert paid == [Level.OFF]


async def test_the_ramp_deals_out_who_is_back() -> None:
    """A gate for MINIMAL lets callers through as soon as the breaker closes, one for FULL when all are admitted."""
    board = board_of(replace(SMALL, ramp=Ramp(initial=0.1, duration=10.0)))
    opened: dict[Level, float] = {}

    def gate_for(level: Level) -> Callable[[], Awaitable[None]]:
        @board.gear.requires("checkout", at_least=level)
        async def pay() -> None:
            opened.setdefault(level, board.gear.breaker("db", "").snapshot().share)

        return pay

    gates = [gate_for(level) for level in (Level.MINIMAL, Level.FALLBACK, Level.FULL)]
    board.fell("db")
    board.manager.look()
    board.clock.advance(8.0)
    board.manager.look()
    while board.gear.breaker("db", "").machine_state is not State.CLOSED:
        board.serve("db", times=1)
    for _ in range(30):
        board.clock.advance(0.5)
        for pay in gates:
            with suppress(CapabilityNotOffered):
                await pay()
    assert opened[Level.MINIMAL] < 0.2
    assert 0.5 <= opened[Level.FALLBACK] < 0.7
    assert opened[Level.FULL] == 1.0


async def test_invariant_41_a_fallback_may_not_touch_what_has_failed() -> None:
    """Such a call is refused for that reason; what is well may be used."""
    board = board_of()
    used: list[str] = []

    async def from_cache() -> None:
        board.gear.service("cache").admit(GET).succeed()
        used.append("cache")
        board.gear.service("db").admit(GET).succeed()

    @board.gear.requires("checkout", otherwise=from_cache)
    async def pay() -> None: ...

    board.fell("db")
    board.manager.look()
    with pytest.raises(CallNotPermitted, match="it has failed checkout, whose fallback may not depend on it"):
        await pay()
    assert used == ["cache"]


async def test_a_capability_that_there_is_not_is_said_when_it_is_asked_for() -> None:
    """With the nearest name."""
    board = board_of()

    @board.gear.requires("chekout")
    async def pay() -> None: ...

    with pytest.raises(ConfigurationError, match="Did you mean 'checkout'"):
        await pay()


async def test_half_open_breakers_get_their_probes_through_the_gate() -> None:
    """Else a backend without a check of its own would stay away for ever; who is no probe gets the fallback."""
    board = board_of()
    served: list[str] = []

    async def later() -> None:
        served.append("later")

    @board.gear.requires("checkout", otherwise=later)
    async def pay() -> None:
        board.serve("db", times=1)
        served.append("paid")

    board.fell("db")
    board.manager.look()
    await pay()
    board.clock.advance(8.0)
    board.manager.look()
    while board.gear.breaker("db", "").machine_state is not State.CLOSED:
        await pay()
    assert served == ["later", "paid", "paid", "paid"]


async def test_an_operators_decision_lets_no_probe_through() -> None:
    """It is about the capability, not about the backend."""
    board = board_of()

    @board.gear.requires("checkout")
    async def pay() -> None:
        raise AssertionError("it must not run")

    board.fell("db")
    board.manager.override("checkout", Level.OFF, "maintenance", for_=60.0)
    board.clock.advance(8.0)
    board.manager.look()
    with pytest.raises(CapabilityNotOffered):
        await pay()
