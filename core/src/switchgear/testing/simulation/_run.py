"""A run in two phases. Safety: the plan's faults come and go, and at each step the invariants are checked. Liveness:
the faults are over, and within a bounded time everything has to be as if they had never been.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import anyio

from switchgear._gear import Switchgear
from switchgear._gear_config import GearConfig
from switchgear.testing.simulation._backend import GET, Client, Server, backend_of
from switchgear.testing.simulation._callers import Caller, Operator, answer
from switchgear.testing.simulation._draw import draw, with_chance
from switchgear.testing.simulation._ledger import Ledger
from switchgear.testing.simulation._plan import Plan
from switchgear.testing.simulation._trace import Trace
from switchgear.testing.simulation._watch import Listener, Raising, Watch
from switchgear.testing.virtual_time import run

#: Seconds between two looks at everything.
_LOOK = 0.5
#: Callers are that much slower while there is nothing left to find out by their calls.
_CALM = 8.0


class InvariantBroken(AssertionError):
    """A run went where it must not. Says which invariant, what was seen, what led there, and how to see it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a seed. Two runs with the same digest were the same, step by step."""

    seed: int
    digest: str
    lines: int  #: of the trace
    calls: int
    transitions: int
    recovered: float  #: seconds from the last fault until all was well
    seconds: float  #: virtual ones, in all


def again(seed: int, backend: str = "asyncio", file: str | None = None) -> str:
    """The command that runs a seed, and shows its trace."""
    chosen = "" if backend == "asyncio" else f" --backend {backend}"
    given = "" if file is None else f" --config {file}"
    return f"python -m switchgear.testing.simulation --seed {seed}{chosen}{given}"


def simulate(
    seed: int, *, backend: str = "asyncio", config: GearConfig | None = None, show: Callable[[str], None] | None = None
) -> Result:
    """Run the plan of a seed: a gear that it draws, or the one of `config`, with simulated backends in the place of its
    own. `show` is called with each line of the trace. Raises InvariantBroken; other errors say their seed, too.
    """
    plan = draw(seed, config)

    async def main() -> Result:
        return await _Run(plan, show, again(seed, backend, None if config is None else config.source)).main()

    with _quiet(), _seeded_scheduler(backend, seed):
        return run(main, backend=backend)


class _Run:
    def __init__(self, plan: Plan, show: Callable[[str], None] | None, again: str) -> None:
        self._plan = plan
        self._shown = show is not None
        self._again = again
        self._trace = Trace(anyio.current_time, show)
        self._ledger = Ledger(self._trace, self._broken)
        self._clients: dict[str, Client] = {}
        self._servers: dict[str, Server] = {}
        self._first: str | None = None  # what was broken first
        self._scope = anyio.CancelScope()

    def _broken(self, invariant: str, seen: object) -> None:
        if self._first is None:
            self._first = f"{invariant}. Seen at {anyio.current_time():.4f}: {seen}"
            self._scope.cancel()

    def _rng(self, what: str) -> Random:
        return Random(f"{what} {self._plan.seed}")  # noqa: S311 - the same in every run

    async def main(self) -> Result:
        before = {task.id for task in anyio.get_running_tasks()}
        result = None
        try:
            with self._scope:
                result = await self._both_phases()
        except Exception as error:
            if self._first is None:
                error.add_note(f"To see it again: {self._again}")
                raise
        if left := [task.name for task in anyio.get_running_tasks() if task.id not in before]:
            self._broken("no task is left", left)
        if result is None or self._first is not None:
            raise InvariantBroken(self._told())
        return result

    def _told(self) -> str:
        steps = "" if self._shown else "".join(f"{line}\n" for line in self._trace.last)
        return f"{steps}Invariant {self._first}\nTo see it again: {self._again}"

    async def _both_phases(self) -> Result:
        plan = self._plan
        began, recovered = anyio.current_time(), 0.0
        async with Switchgear(self._config(began), clock=anyio.current_time, roll=self._rng("roll").random) as gear:
            watch = Watch(gear, self._trace, self._broken)
            gear.subscribe(watch)
            if plan.watched:
                gear.subscribe(Listener(self._trace, self._broken))
            if plan.raising:
                gear.subscribe(Raising())
            operator = Operator(gear, plan.deeds, self._trace)
            callers = [self._caller(number) for number in range(plan.traffic.callers)]
            async with anyio.create_task_group() as tasks:
                for caller in callers:
                    tasks.start_soon(caller.run)
                tasks.start_soon(operator.run)
                while anyio.current_time() < began + plan.faults:
                    await self._look(gear, watch)
                healed = anyio.current_time()
                operator.put_right()
                self._trace.add("healed")
                while not await self._all_back(watch, callers, gear):
                    await self._look(gear, watch)
                    calm = all(gear.breaker(name).state.name == "CLOSED" for name in gear.services)
                    for caller in callers:
                        caller.pace = _CALM if calm else 1.0
                    if anyio.current_time() > healed + plan.patience:
                        self._broken("55: everything comes back", f"not within {plan.patience:g} s")
                recovered = anyio.current_time() - healed
                for caller in callers:
                    caller.stopped = True
            for service in gear.services.values():
                self._ledger.check_quiet(service)
            return Result(
                seed=plan.seed, digest=self._trace.digest, lines=self._trace.lines,
                calls=sum(caller.calls for caller in callers), transitions=watch.transitions, recovered=recovered,
                seconds=anyio.current_time() - began,
            )  # fmt: skip

    async def _look(self, gear: Switchgear, watch: Watch) -> None:
        await anyio.sleep(_LOOK)
        watch.look()
        for service in gear.services.values():
            self._ledger.balance(service)

    async def _all_back(self, watch: Watch, callers: list[Caller], gear: Switchgear) -> bool:
        """Whether all is well, and goodput is 1: each domain of each service serves at once.

        What windows still know of the outage may open a breaker once more, with the next success: then it is not yet.
        """
        if not watch.is_well() or any(server.suffering for server in self._servers.values()):
            return False
        for caller in callers:
            caller.paused = True
        while any(caller.calling for caller in callers):  # noqa: ASYNC110 - in virtual time, looking again costs nothing
            await anyio.sleep(_LOOK)
        served = True
        for service, domains in self._plan.domains.items():
            for domain in domains:
                came = await answer(gear.client(service), GET.name, domain)
                self._trace.add("at last", service, domain, came)
                served = served and came == "served"
        for caller in callers:
            caller.paused = False
        return served and watch.is_well()

    # -- what there is -------------------------------------------------------------------------------------------

    def _config(self, began: float) -> GearConfig:
        """The plan's gear, on simulated backends."""
        backend = backend_of(self._connect)
        plan = self._plan
        for service in plan.config.services:
            outages = [
                replace(each, begins=began + each.begins, ends=began + each.ends)
                for each in plan.outages
                if each.service == service.name
            ]
            needs = [self._servers[name] for name in service.requires if name in self._servers]
            slow = min(service.breaker.slow_after(klass) for klass in ("", "read", "write", "stream"))
            self._servers[service.name] = Server(
                service.name, outages, needs, latency=min(0.1, slow / 10), rng=self._rng(f"server {service.name}")
            )
        services = [replace(service, backend=backend, settings=service.name) for service in plan.config.services]
        return with_chance(replace(plan.config, services=tuple(services)), self._rng("chance").random)

    @asynccontextmanager
    async def _connect(self, name: str) -> AsyncGenerator[Client]:
        client = self._clients[name] = Client(self._servers[name], self._ledger, self._rng(f"client {name}"))
        yield client

    def _caller(self, number: int) -> Caller:
        name = f"caller-{number}"
        traffic, rng = self._plan.traffic, self._rng(name)
        return Caller(name, self._clients, self._plan.domains, traffic=traffic, rng=rng, trace=self._trace)


@contextmanager
def _quiet() -> Generator[None]:
    """What the gear would log is no news here: faults are what we make."""
    log = logging.getLogger("switchgear")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


@contextmanager
def _seeded_scheduler(backend: str, seed: int) -> Generator[None]:
    """Asyncio runs tasks in the order in which they are ready; trio shuffles them, and has a seed for those who need to
    repeat themselves: Hypothesis sets it so, too.
    """
    if backend != "trio":
        yield
        return
    import trio._core._run as private

    scheduler: Any = private
    before, state = scheduler._ALLOW_DETERMINISTIC_SCHEDULING, scheduler._r.getstate()  # noqa: SLF001
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True  # noqa: SLF001
    scheduler._r.seed(f"scheduler {seed}")  # noqa: SLF001
    try:
        yield
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = before  # noqa: SLF001
        scheduler._r.setstate(state)  # noqa: SLF001
