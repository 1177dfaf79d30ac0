"""What goes wrong on the way to the server is a failure, opens the breaker, and is over when it is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import pytest

from switchgear._errors import CallNotPermitted
from switchgear.testing.conformance._bench import Bench, Outcome, fresh, outcome
from switchgear.testing.conformance._suite import Suite
from switchgear.testing.conformance._violation import Violation
from switchgear.testing.conformance._ways import ways
from switchgear.testing.proxy import FaultProxy
from switchgear.testing.toxics import LimitData, ResetPeer, Timeout

#: Seconds after which a call hangs for good. Settings have timeouts below one.
_PATIENCE = 6.0
#: Three failures open the breaker; some more may find a connection that died.
_CALLS = 12


async def _resets(proxy: FaultProxy) -> None:
    proxy.add(ResetPeer())


async def _hangs(proxy: FaultProxy) -> None:
    proxy.add(Timeout())


async def _breaks_off(proxy: FaultProxy) -> None:
    proxy.add(LimitData(1))


FAULTS: Mapping[str, Callable[[FaultProxy], Awaitable[None]]] = {
    "refuses": FaultProxy.down, "resets": _resets, "hangs": _hangs, "breaks off": _breaks_off,
}  # fmt: skip


class Failing(Suite):
    """Checks with a network that has each of the faults."""

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_a_fault_opens_the_breaker_and_healing_closes_it(self, bench: Bench, fault: str) -> None:
        """The caller gets the client's own errors in finite time, then refusals that send nothing; and when the server
        is back, so is the service."""
        name, way = next(iter(ways(self, "served").items()))
        async with bench.bare() as bare:
            for client in (bare, bench.client):
                await way(client, fresh())
            await FAULTS[fault](bench.proxy)
            expected = [(await _patient(way(bare, fresh()), name, fault)).error for _ in range(3)]
        bench.ledger.clear()
        errors: list[Exception] = []
        before = bench.reached()
        while len(errors) < _CALLS:
            before = bench.reached()
            error = (await _patient(way(bench.client, fresh()), name, fault)).error
            if isinstance(error, CallNotPermitted):
                break
            if error is None:
                raise Violation(f"{name} came back without an error while the server {fault}.", "Hide no error.")
            errors.append(error)
        else:
            raise Violation(
                f"While the server {fault}, {name} raised {errors[-1]!r}, and {_CALLS} times of it did not open the "
                f"breaker; it was judged {bench.ledger.verdicts}.",
                "In `classify`, what came about without an answer of the server is a FAILURE.",
            )
        if bench.reached() != before:
            raise Violation(
                f"A refused {name} reached for the server that {fault}.", "Ask for the permit before anything."
            )
        known = {kind for each in expected for kind in type(each).__mro__} - {object, BaseException, Exception}
        if strange := [error for error in errors if not known & set(type(error).__mro__)]:
            raise Violation(
                f"While the server {fault}, a guarded call raises {strange[0]!r}, an unguarded one {expected[0]!r}.",
                "Raise what the client raised.",
            )
        await bench.at_rest(f"{name} failed")
        await bench.proxy.heal()
        await self._comes_back(bench, way, name, fault)

    async def _comes_back(self, bench: Bench, way: Any, name: str, fault: str) -> None:
        error: Exception | None = None
        with anyio.move_on_after(_PATIENCE):
            while (error := (await outcome(way(bench.client, fresh()))).error) or not self._closed(bench):  # noqa: ASYNC110
                await anyio.sleep(0.02)
            return
        raise Violation(
            f"After the server that {fault} was well again, {name} still ended with {error!r}; its breakers are "
            f"{bench.states()}.",
            "What the probe of a half-open breaker did must be settled, and the client must connect again.",
        )

    @staticmethod
    def _closed(bench: Bench) -> bool:
        return set(bench.states().values()) == {"CLOSED"}


async def _patient(call: Awaitable[Any], name: str, fault: str) -> Outcome:
    with anyio.move_on_after(_PATIENCE):
        return await outcome(call)
    raise Violation(
        f"{name} did not come back within {_PATIENCE:g} s while the server {fault}.",
        "A client that `connect` makes has finite timeouts, and the suite's settings ones below 1 s.",
    )
