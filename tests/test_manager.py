"""The manager: it looks, it tells, and it orders recovery; pure decisions are tested in test_degradation.py."""

from __future__ import annotations

import threading

import anyio
import pytest

from switchgear import (
    BreakerConfig,
    CallNotPermitted,
    ConfigurationError,
    Level,
    LevelChange,
    SelfSuspicion,
    State,
    Switchgear,
    Transition,
)
from switchgear.testing import VirtualClock
from tests.backends import GET, Client, backend_of, until
from tests.support import DOWN, SMALL

pytestmark = pytest.mark.anyio


class Board:
    """A gear with services of the toy backend, whose clock stands still."""

    def __init__(self, *names: str, rules: BreakerConfig = SMALL) -> None:
        self.clock = VirtualClock()
        self.gear = Switchgear(clock=self.clock)
        self.clients = {name: self.gear.guard(Client(name), backend_of(rules), name=name) for name in names}
        self.manager = self.gear.degradation

    def fell(self, *names: str) -> None:
        for name in names:
            while self.gear.breaker(name, "").machine_state is State.CLOSED:
                self.gear.service(name).admit(GET).fail(DOWN)

    def serve(self, name: str, times: int = 4) -> None:
        for _ in range(times):
            self.gear.service(name).admit(GET).succeed()


def test_a_gear_without_capabilities_is_unknown_and_whole() -> None:
    """Nothing is claimed of what was never called."""
    board = Board("db")
    assert str(board.gear.health("db").status) == "UNKNOWN"
    assert board.gear.health().score == 100
    assert board.manager.graph.services == {"db": ()}


def test_a_fallen_service_takes_its_capabilities_along() -> None:
    """By the way that the path tells, at once, without anyone looking by hand; others stay."""
    board = Board("db", "cache", "files")
    board.gear.capability("checkout", requires=["db"], prefers={"cache": 0.3})
    board.gear.capability("images", requires=["files"])
    board.fell("db")
    board.clock.advance(0.1)
    assert board.manager.level("checkout") is Level.OFF
    assert board.gear.health("checkout").path[:2] == ("checkout", "db")
    assert board.manager.level("images") is Level.FULL
    assert board.manager.assessment().roots == ("db",)


def test_what_is_not_known_is_said_with_the_nearest_name() -> None:
    """For levels, reports, gates and overrides."""
    board = Board("db")
    board.gear.capability("checkout", requires=["db"])
    with pytest.raises(ConfigurationError, match="Did you mean 'checkout'"):
        board.manager.level("chekout")
    with pytest.raises(ConfigurationError, match="Did you mean 'checkout'"):
        board.gear.health("chekout")
    with pytest.raises(ConfigurationError, match="Did you mean 'checkout'"):
        board.manager.override("chekout", Level.OFF, "test", for_=1.0)
    with pytest.raises(ConfigurationError, match="Did you mean 'db'"):
        board.gear.capability("search", requires=["dbb"])
    assert set(board.manager.graph.capabilities) == {"checkout"}  # what was refused has changed nothing


def test_a_cycle_is_refused_and_printed() -> None:
    """Also where it is closed by a later declaration."""
    board = Board("db")
    board.gear.capability("a", requires=["db"])
    board.gear.capability("b", requires=["a"])
    with pytest.raises(ConfigurationError, match=r"This is a cycle: (a -> b -> a|b -> a -> b)"):
        board.gear.capability("a", requires=["b"])


def test_the_levels_of_capabilities_survive_a_new_one() -> None:
    """What has fallen does not jump back because the graph has changed."""
    board = Board("db", "files")
    board.gear.capability("checkout", requires=["db"])
    board.fell("db")
    board.manager.look()
    board.gear.breaker("db").reset()
    board.gear.capability("images", requires=["files"])
    assert board.manager.level("checkout") is Level.OFF
    assert board.manager.level("images") is Level.FULL


def test_a_request_sees_one_assessment() -> None:
    """From its beginning to its end, in its own context; the next one sees what is new."""
    board = Board("db")
    board.gear.capability("checkout", requires=["db"])
    with board.manager.pin() as pinned:
        board.fell("db")
        board.clock.advance(5.0)
        assert board.manager.level("checkout") is Level.FULL
        assert board.manager.assessment() is pinned
        with board.manager.pin() as again:
            assert again is pinned
    assert board.manager.level("checkout") is Level.OFF


def test_looking_is_bounded() -> None:
    """While nothing happens, it is a second old at most; breakers that flap do not make each request look."""
    board = Board("db")
    first = board.manager.look()
    board.clock.advance(0.9)
    assert board.manager.assessment() is first
    board.clock.advance(0.2)
    second = board.manager.assessment()
    assert second is not first
    board.fell("db")
    board.clock.advance(0.01)
    assert board.manager.assessment() is second
    board.clock.advance(0.05)
    assert board.manager.assessment() is not second


def test_a_look_makes_no_call() -> None:
    """It goes by counters alone."""
    board = Board("db")
    board.serve("db")
    for _ in range(5):
        board.manager.look()
    assert board.clients["db"].happened == []
    assert board.gear.breaker("db", "").snapshot().verdicts["SUCCESS"] == 4


def test_an_override_takes_hold_at_once_and_ends() -> None:
    """It needs a reason and a time limit; both are shown while it holds."""
    board = Board("db")
    board.gear.capability("checkout", requires=["db"])
    board.manager.override("checkout", Level.MINIMAL, "the bank is being moved", for_=60.0)
    assert board.manager.level("checkout") is Level.MINIMAL
    assert board.manager.assessment().overrides["checkout"].reason == "the bank is being moved"
    board.clock.advance(60.0)
    assert board.manager.level("checkout") is Level.FULL
    board.manager.override("checkout", Level.OFF, "again", for_=60.0)
    board.manager.end_override("checkout")
    assert board.manager.level("checkout") is Level.FULL
    for seconds in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="time limit"):
            board.manager.override("checkout", Level.OFF, "test", for_=seconds)
    with pytest.raises(ValueError, match="reason"):
        board.manager.override("checkout", Level.OFF, " ", for_=1.0)


class Ear:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def on_level_changed(self, event: LevelChange) -> None:
        self.heard.append(event)

    def on_self_suspected(self, event: SelfSuspicion) -> None:
        self.heard.append(event)


def test_observers_hear_of_levels_and_of_suspicion() -> None:
    """Once each; an observer may ask back."""
    board = Board("a", "b", "c")
    board.gear.capability("all", requires=["a", "b", "c"])
    ear = Ear()
    board.gear.subscribe(ear)
    asked: list[Level] = []

    class Asks:
        def on_level_changed(self, event: LevelChange) -> None:
            asked.append(board.manager.level(event.capability))

    board.gear.subscribe(Asks())
    board.manager.lag = 0.7
    board.fell("a", "b", "c")
    board.manager.look()
    board.manager.look()
    change, suspicion = ear.heard
    assert isinstance(change, LevelChange)
    assert (change.from_level, change.to_level) == (Level.FULL, Level.OFF)
    assert suspicion == SelfSuspicion(services=("a", "b", "c"), lag=0.7, at=board.clock())
    assert asked == [Level.OFF]


def test_while_we_suspect_ourselves_our_own_limits_are_stretched() -> None:
    """And back to normal when that is over."""
    board = Board("a", "b", "c")
    board.fell("a", "b", "c")
    board.manager.look()
    assert {service.patience for service in board.gear.services.values()} == {2.0}
    for name in "abc":
        board.gear.breaker(name).reset()
    board.clock.advance(120.0)
    board.manager.look()
    assert {service.patience for service in board.gear.services.values()} == {1.0}


def test_children_do_not_probe_before_their_parent_is_back() -> None:
    """Their refusal says whom they wait for; when it has closed, they probe."""
    board = Board("network", "db")
    board.manager.declare({"db": ("network",)})
    board.fell("network", "db")
    board.manager.look()
    board.clock.advance(8.0)
    board.manager.look()
    with pytest.raises(CallNotPermitted, match="it waits for network, which it requires"):
        board.gear.service("db").admit(GET)
    board.clock.advance(1.0)  # the stagger is over, too
    board.serve("network")
    assert board.gear.breaker("network", "").machine_state is State.CLOSED
    for _ in range(4):  # holds are renewed, and run out when they are not
        board.clock.advance(1.0)
        board.manager.look()
    board.serve("db")
    assert board.gear.breaker("db", "").machine_state is State.CLOSED


def test_one_broken_domain_holds_nobody_back() -> None:
    """A service that serves most of its calls is no reason to wait."""
    board = Board("network", "db")
    board.manager.declare({"db": ("network",)})
    for domain in "abcdefgh":
        for _ in range(10):
            board.gear.service("network").admit(GET, domain).succeed()
    while board.gear.breaker("network", "z").machine_state is State.CLOSED:
        board.gear.service("network").admit(GET, "z").fail(DOWN)
    board.fell("db")
    board.manager.look()
    board.clock.advance(8.0)
    board.manager.look()
    board.serve("db")
    assert board.gear.breaker("db", "").machine_state is State.CLOSED


async def test_watching_yields_every_change_in_order() -> None:
    """Also those that another thread's look has found."""
    board = Board("db")
    board.gear.capability("checkout", requires=["db"])
    seen: list[Level] = []

    async def watch() -> None:
        async for change in board.manager.watch():
            assert isinstance(change, LevelChange)
            seen.append(change.to_level)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await anyio.wait_all_tasks_blocked()
        board.manager.override("checkout", Level.MINIMAL, "test", for_=60.0)
        await until(lambda: seen == [Level.MINIMAL])
        thread = threading.Thread(target=board.manager.end_override, args=("checkout",))
        thread.start()
        thread.join()
        await until(lambda: seen == [Level.MINIMAL, Level.FULL])
        tasks.cancel_scope.cancel()
    assert board.manager._watchers == []


async def test_the_gear_looks_by_itself_while_it_is_entered() -> None:
    """At once when a breaker moves: nobody has to ask."""
    board = Board("db")
    board.gear.capability("checkout", requires=["db"])
    ear = Ear()
    board.gear.subscribe(ear)
    async with board.gear:
        await anyio.wait_all_tasks_blocked()
        assert board.gear.heartbeat == board.clock()
        board.fell("db")
        await until(lambda: ear.heard)
    assert board.gear.lag >= 0


def test_threads_may_ask_at_once() -> None:
    """Whoever comes while another looks gets what is known."""
    board = Board("db")
    board.gear.capability("checkout", requires=["db"])
    wrong: list[object] = []

    def ask() -> None:
        for _ in range(200):
            try:
                board.manager.look()
                board.manager.level("checkout")
            except BaseException as exc:  # noqa: BLE001 - whatever it is, the test must show it
                wrong.append(exc)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        board.fell("db")
        board.gear.breaker("db").reset()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_transitions_are_heard_in_a_look_too() -> None:
    """A look may find that a wait is over: observers that ask back in the midst of it get what is known."""
    board = Board("db")
    asked: list[float] = []

    class Asks:
        def on_transition(self, event: Transition) -> None:
            asked.append(board.gear.health("db").score)

    board.fell("db")
    board.manager.look()
    board.gear.subscribe(Asks())
    board.clock.advance(8.0)
    board.manager.look()
    assert asked == [10.0]
