"""Each fault strikes, lasts, and is healed, whatever else happens."""

from __future__ import annotations

import anyio
import pytest

from switchgear import State
from switchgear.demo import _script
from switchgear.demo._script import Fault, play
from switchgear.testing import ServerUnavailable
from tests.demo.support import Plant

pytestmark = pytest.mark.anyio

SHORT = 0.2  # s


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_script, "_PATIENCE", 0.1)


class Backend:
    """One whose breaker opens when it is struck and is whole when it is healed, unless told otherwise."""

    def __init__(self, plant: Plant, log: list[str], service: str) -> None:
        self.plant, self.log, self.service = plant, log, service
        self.breaker = plant.branch(service)
        self.opens = self.recovers = True
        self.fails: Exception | None = None

    async def strike(self) -> None:
        self.log.append(f"{self.service} struck")
        if self.opens:
            self.plant.trip(self.service)

    async def heal(self) -> None:
        self.log.append(f"{self.service} healed")
        if self.fails is not None:
            raise self.fails
        if self.recovers:
            self.breaker.reset()

    def fault(self) -> Fault:
        return Fault(self.service, "breaks", "is well", self.strike, self.heal)


class Stage:
    def __init__(self) -> None:
        self.plant = Plant()
        self.log: list[str] = []
        self.cache, self.db = (Backend(self.plant, self.log, service) for service in ("cache", "db"))

    async def play(self, duration: float = SHORT) -> None:
        await play([self.cache.fault(), self.db.fault()], self.plant.ledger, duration)

    def results(self) -> list[tuple[str, bool, bool]]:
        """Service, tripped, recovered; by fault."""
        return [(act.service, act.opened is not None, act.recovered is not None) for act in self.plant.ledger.acts]


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_one_fault_is_over_before_the_next_strikes(stage: Stage) -> None:
    """In the order of the script, within the time it is given."""
    started = anyio.current_time()
    await stage.play()
    assert anyio.current_time() - started >= SHORT
    assert stage.log == ["cache struck", "cache healed", "db struck", "db healed"]
    assert stage.results() == [("cache", True, True), ("db", True, True)]


async def test_a_breaker_that_does_not_open_is_waited_for_and_then_known(stage: Stage) -> None:
    """The show goes on, and the ledger has it."""
    stage.cache.opens = False
    await stage.play()
    assert stage.results() == [("cache", False, True), ("db", True, True)]


async def test_a_breaker_that_does_not_close_is_waited_for_and_then_known(stage: Stage) -> None:
    """The show goes on, and the ledger has it."""
    stage.cache.recovers = False
    await stage.play()
    assert stage.results() == [("cache", True, False), ("db", True, True)]
    assert stage.cache.breaker.machine_state is State.OPEN


async def test_a_backend_that_does_not_come_back_is_a_result(stage: Stage) -> None:
    """A server that cannot be started again ends one fault, not the demo, and the reason is told."""
    stage.cache.fails = ServerUnavailable("Its port is taken.")
    await stage.play()
    assert stage.results() == [("cache", True, False), ("db", True, True)]
    assert any("Its port is taken." in note.text for note in stage.plant.told)


async def test_stopped_while_a_fault_is_on_it_heals_first(stage: Stage) -> None:
    """Nothing can be closed in peace beside a server that hangs."""
    struck = anyio.Event()
    before = stage.cache.strike

    async def strike() -> None:
        await before()
        struck.set()

    stage.cache.strike = strike  # type: ignore[method-assign]
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(play, [stage.cache.fault()], stage.plant.ledger, 1.0)
            await struck.wait()
            tasks.cancel_scope.cancel()
    assert stage.log == ["cache struck", "cache healed"]
    assert stage.results() == [("cache", True, False)]
