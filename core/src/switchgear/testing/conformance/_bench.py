"""What a check works with: a guarded client, the network between it and its server, and a ledger of its permits."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from itertools import count
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from switchgear._breaker_config import BreakerConfig
from switchgear._gear import Switchgear
from switchgear.testing.conformance._ledger import Ledger
from switchgear.testing.conformance._surface import roots_of
from switchgear.testing.conformance._violation import Violation
from switchgear.testing.proxy import FaultProxy

if TYPE_CHECKING:
    from switchgear.testing.conformance._suite import Suite

#: Opens at the third failure in a row, and is back at once.
QUICK = BreakerConfig(
    consecutive_failures=3,
    wait_duration_in_open=0.2,
    permitted_calls_in_half_open=1,
    probe_timeout=1.0,
    ramp=None,
    probe_with="traffic",
)
#: What all texts that are made up for calls begin with, so that they are found again.
CANARY = "canary"

#: Seconds for what happens by itself once a call is over: a finalizer, a connection's way back into its pool.
_SETTLING = 2.0
#: Whose tasks are not the guard's.
_OURS = ("/switchgear/testing/", "/anyio/")

_numbers = count(1)


def fresh() -> str:
    """A text that no call has been given so far."""
    return f"{CANARY}-{next(_numbers)}"


class Outcome(NamedTuple):
    """What a caller sees of a call."""

    result: Any = None
    error: Exception | None = None


async def outcome(call: Awaitable[Any]) -> Outcome:
    """The result or the exception of a call."""
    try:
        return Outcome(result=await call)
    except Exception as exc:  # noqa: BLE001 - whatever the caller would see
        return Outcome(error=exc)


async def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for what happens by itself; False when it does not in time."""
    with anyio.move_on_after(seconds):
        while not condition():
            gc.collect()
            await anyio.sleep(0.01)
        return True
    return condition()


@contextmanager
def clients_own_affairs(package: str) -> Generator[None]:
    """On asyncio, let pass what callbacks of the client raise, as some drivers' do when a call is cancelled; not what
    has been anywhere in the plugin's own package.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        yield
        return
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        frames = walk_tb(getattr(context.get("exception"), "__traceback__", None))
        if any(frame.f_globals.get("__name__", "").partition(".")[0] == package for frame, _ in frames):
            before(loop, context) if before else loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        loop.set_exception_handler(before)


class Bench:
    """One guarded client, as the service "guarded" of a gear of its own, connected through a FaultProxy."""

    def __init__(self, suite: Suite, proxy: FaultProxy, settings: Any, client: Any) -> None:
        self.suite = suite
        self.backend = suite.backend()
        self.proxy = proxy
        self.settings = settings
        self.gear = Switchgear()
        self.ledger = Ledger()
        self.gear.subscribe(self.ledger)
        self.roots = roots_of(client)
        self.client = self.gear.guard(client, self.backend, name="guarded", breaker=QUICK)
        self.service = self.gear.service("guarded")
        self.ledger.keep(self.service)

    @asynccontextmanager
    async def bare(self) -> AsyncGenerator[Any]:
        """Another client of the same server, by the same way, that nobody guards."""
        async with self.suite.connect(self.settings) as client:
            yield client

    def force_open(self) -> None:
        """Refuse everything from now on."""
        self.service.group.force_open("the conformance kit wants to see what still gets through")

    def reached(self) -> tuple[int, int]:
        """What has come to the server so far: connections, and bytes."""
        statistics = self.proxy.statistics()
        return statistics.connections, statistics.bytes_upstream

    def states(self) -> dict[str, str]:
        """The state of each domain; "" is the whole service."""
        return {snapshot.domain: str(snapshot.state) for snapshot in self.service.group.snapshots()}

    def tasks(self) -> list[str]:
        """What runs beside the caller; on asyncio only, where tasks may be started that nobody waits for."""
        with suppress(RuntimeError):
            coroutines = [task.get_coro() for task in asyncio.all_tasks()]
            codes = [code for it in coroutines if (code := getattr(it, "cr_code", None))]
            return [code.co_qualname for code in codes if not any(ours in code.co_filename for ours in _OURS)]
        return []

    async def at_rest(self, after: str, pool: float = 0.0) -> None:
        """Once all calls are over, no permit may be held, and of the client's pool no more than `pool`."""
        if not await until(lambda: not self.ledger.open, _SETTLING):
            raise Violation(
                f"After {after}, the permit of {self.ledger.open[0]} was never settled.",
                "Settle each permit on every way out: `with service.admit(...):`, or `except BaseException as exc: "
                "permit.fail(exc); raise`, which knows a cancellation from a failure.",
            )
        if not await until(lambda: self.pool <= pool + 0.001, _SETTLING):
            raise Violation(
                f"After {after}, {self.pool:.0%} of the client's pool is still in use; before it was {pool:.0%}.",
                "A guard must let the client give its connections back, also when a call is cancelled or refused.",
            )

    @property
    def pool(self) -> float:
        """The share in use of what the client's calls go through."""
        return max(self.service.saturations().values(), default=0.0)


@asynccontextmanager
async def benches(suite: Suite, server: Any) -> AsyncGenerator[Bench]:
    """A bench on that server."""
    async with AsyncExitStack() as stack:
        stack.enter_context(clients_own_affairs(suite.module().partition(".")[0]))
        proxy = await stack.enter_async_context(FaultProxy("127.0.0.1", server.port))
        settings = suite.settings(server, proxy.port)
        client = await stack.enter_async_context(suite.connect(settings))
        yield Bench(suite, proxy, settings, client)
