"""Every permit is settled, once, with the right verdict, however its call ends."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from switchgear.testing.conformance._bench import Bench, fresh, outcome, until
from switchgear.testing.conformance._suite import Suite
from switchgear.testing.conformance._sweep import CancelledAt
from switchgear.testing.conformance._violation import Violation
from switchgear.testing.conformance._ways import ways

#: More awaits than any way has that begins with a connection.
_AWAITS = 200
#: Calls at once; half of them are cancelled.
_CROWD = 20
#: Seconds that what ends by itself may take to end, on a busy machine.
_PATIENCE = 10.0


class Settling(Suite):
    """Checks that count permits."""

    async def test_every_call_settles_once(self, bench: Bench) -> None:
        """Each call takes at least one permit, and each permit becomes one verdict."""
        for kind in ("served", "rejected"):
            for name, way in ways(self, kind).items():
                bench.ledger.clear()
                await outcome(way(bench.client, fresh()))
                await bench.at_rest(name)
                if not bench.ledger.permits:
                    raise Violation(f"{name} asked for no permit.", "Its way around the guard must be closed.")
                _settled_once(bench, name)

    async def test_guarding_twice_counts_once(self, bench: Bench) -> None:
        """To guard a client again for the same service changes nothing."""
        name, way = next(iter(ways(self, "served").items()))
        await way(bench.client, fresh())  # from here on there is a connection
        once = await _permits_of(bench, way)
        if bench.gear.guard(bench.client, bench.backend, name="guarded") is not bench.client:
            raise Violation(
                "Guarding a client a second time makes another object of it.", "Return the one that is guarded."
            )
        twice = await _permits_of(bench, way)
        if once != twice:
            raise Violation(
                f"{name} takes {len(twice)} permits on a client that was guarded twice, and else {len(once)}.",
                "Mark what is guarded, and leave it as it is the second time: else each outage counts twice.",
            )

    async def test_what_the_server_declines_is_no_failure(self, bench: Bench) -> None:
        """A server that says no to one request serves: its breaker stays closed, however often it does."""
        declined = ways(self, "rejected")
        if not declined:
            pytest.skip("the suite shows no @rejected way: there must be something that this server says no to")
        for name, way in declined.items():
            bench.ledger.clear()
            for _ in range(5):
                await outcome(way(bench.client, fresh()))
            await bench.at_rest(name)
            if wrong := {verdict for _, verdict in bench.ledger.verdicts} - {"SUCCESS", "IGNORED"}:
                raise Violation(
                    f"{name}, to which the server says no, is judged {', '.join(sorted(wrong))}.",
                    "In `classify`, what the server answered is a SUCCESS, unless it says that it cannot serve.",
                )

    async def test_a_cancelled_call_gives_its_permit_back(self, bench: Bench) -> None:
        """Cancelled at whichever await, a call leaves no permit and no connection behind, and is no failure; the next
        call is served."""
        for name, way in ways(self, "served").items():
            await way(bench.client, fresh())
            for at in range(1, _AWAITS):
                bench.ledger.clear()
                swept = CancelledAt(way(bench.client, fresh()), at)
                await outcome(swept.run())
                where = f"{name}, cancelled at its await number {at},"
                await bench.at_rest(where)
                _settled_once(bench, where)
                if "FAILURE" in {verdict for _, verdict in bench.ledger.verdicts}:
                    raise Violation(
                        f"{where} is judged a FAILURE.",
                        "A caller that walks away says nothing about the server: hand the exception to `permit.fail` "
                        "as it is, or `permit.release()` what is no Exception.",
                    )
                if not swept.cancelled:
                    break
            after = await outcome(way(bench.client, fresh()))
            if after.error is not None:
                raise Violation(
                    f"After {name} was cancelled, it raises {after.error!r}.", "The client must go on working."
                )

    async def test_calls_at_once_leave_nothing_behind(self, bench: Bench) -> None:
        """Many calls at the same time, half of them cancelled: no permit, no connection, no task is left."""
        name, way = next(iter(ways(self, "served").items()))
        await way(bench.client, fresh())
        before = len(bench.tasks())

        async def impatient(seconds: float) -> None:
            with anyio.move_on_after(seconds):
                await outcome(way(bench.client, fresh()))

        async with anyio.create_task_group() as crowd:
            for number in range(_CROWD):
                crowd.start_soon(impatient, number * 0.0005 if number % 2 else 30.0)
        await bench.at_rest(f"{_CROWD} calls of {name} at once, half of them cancelled,")
        # As many tasks as there were, and one for each connection that the client keeps, where it keeps some in tasks.
        kept = bench.proxy.statistics().open_connections
        if not await until(lambda: len(bench.tasks()) <= before + kept, _PATIENCE):
            raise Violation(
                f"Tasks go on that nobody waits for: {bench.tasks()}.", "Start no tasks, or end each of them."
            )
        async with bench.bare() as client:
            kept = bench.proxy.statistics().open_connections
            bench.gear.guard(client, bench.backend, name="guarded")
            await way(client, fresh())
        if not await until(lambda: bench.proxy.statistics().open_connections <= kept, _PATIENCE):
            raise Violation("A closed client's connection is still open.", "The guard must let `connect` close it.")


def _settled_once(bench: Bench, after: str) -> None:
    permits, settled = len(bench.ledger.permits), len(bench.ledger.settled)
    if permits != settled:
        raise Violation(f"After {after} {permits} permits became {settled} verdicts.", "Each is settled once.")


async def _permits_of(bench: Bench, way: Any) -> list[str]:
    bench.ledger.clear()
    await way(bench.client, fresh())
    await bench.at_rest("a call")
    return [permit.operation for permit in bench.ledger.permits]
