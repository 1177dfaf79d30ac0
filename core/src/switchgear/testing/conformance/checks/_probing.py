"""The active check costs next to nothing, and never hangs."""

from __future__ import annotations

import anyio
import pytest

from switchgear.testing.conformance._bench import Bench, Outcome, fresh, outcome
from switchgear.testing.conformance._suite import Suite
from switchgear.testing.conformance._violation import Violation
from switchgear.testing.conformance._ways import ways
from switchgear.testing.toxics import Timeout

#: Bytes, in both directions together.
_CHEAP = 65_536
#: Seconds: `probe_timeout` is one here.
_PATIENCE = 3.0


class Probing(Suite):
    """Checks of `Backend.probe`."""

    async def test_the_probe_is_cheap(self, bench: Bench) -> None:
        """For each domain that is known: a few kilobytes, one connection at most, and an answer that is a bool."""
        _has_probe(bench)
        for way in ways(self, "served").values():
            await way(bench.client, fresh())
        for breaker in (bench.service.group.main, *bench.service.group.branches.values()):
            before = bench.proxy.statistics()
            told = await outcome(bench.service.check(bench.client, breaker))
            after = bench.proxy.statistics()
            if not isinstance(told.result, bool):
                raise Violation(
                    f"The probe of {breaker.domain or 'the service'!r} ended with {told.error or told.result!r}, on a "
                    "server in good health.",
                    "It returns True where it was served, and False for what it cannot tell.",
                )
            cost = after.bytes_upstream + after.bytes_downstream - before.bytes_upstream - before.bytes_downstream
            if cost > _CHEAP or after.connections > before.connections + 1:
                raise Violation(
                    f"The probe of {breaker.domain or 'the service'!r} moved {cost} bytes over "
                    f"{after.connections - before.connections} new connections.",
                    "It is asked every few seconds: take the cheapest request there is.",
                )

    async def test_the_probe_is_bounded(self, bench: Bench) -> None:
        """On a server that hangs it ends by itself or is cancelled, and either way it is a failure."""
        _has_probe(bench)
        name, way = next(iter(ways(self, "served").items()))
        await way(bench.client, fresh())
        bench.proxy.add(Timeout())
        bench.ledger.clear()
        breaker = bench.service.group.main
        started, told = anyio.current_time(), Outcome()
        with anyio.move_on_after(_PATIENCE):
            told = await outcome(bench.service.check(bench.client, breaker))
        if anyio.current_time() - started >= _PATIENCE:
            raise Violation(
                f"The probe hung for {_PATIENCE:g} s with its server, though it was cancelled after one.",
                "It may not swallow a cancellation.",
            )
        if told.result:
            raise Violation("The probe says that a server serves which hangs.", "It has to ask the server.")
        if told.error is not None and breaker.judge(told.error).name != "FAILURE":
            raise Violation(f"The probe's {told.error!r} is no FAILURE.", f"It has to be judged as that of {name} is.")
        if sum(breaker.snapshot().probes) or breaker.snapshot().in_flight:
            raise Violation("The probe's permit was not settled.", "A probe may not start anything that goes on.")


def _has_probe(bench: Bench) -> None:
    if bench.backend.probe is None:
        pytest.skip("the backend has no probe: user traffic has to find out when it is back")
