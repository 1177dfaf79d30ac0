"""While the breaker is open, nothing reaches the server, whatever the client is asked to do."""

from __future__ import annotations

from contextlib import chdir
from fnmatch import fnmatchcase
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from switchgear._errors import CallNotPermitted
from switchgear.testing.conformance._bench import Bench, fresh, outcome
from switchgear.testing.conformance._suite import Suite, on_one_loop
from switchgear.testing.conformance._surface import Path, Surface, quiet, spell
from switchgear.testing.conformance._violation import Violation
from switchgear.testing.conformance._ways import Kind, ways
from switchgear.testing.toxics import LimitData

#: Seconds that a refusal may take, on a busy machine.
_QUICK = 0.25
_BOTH: tuple[Kind, ...] = ("served", "rejected")


class Guarding(Suite):
    """Checks that need no healthy answers: what gets through."""

    @on_one_loop
    async def test_every_operation_is_guarded(self, bench: Bench) -> None:
        """Each public method that reaches the server unguarded is refused on a guarded client whose breaker is open.

        Which ones do is found by calling all there are, with made-up arguments, into connections that end at the first
        byte: the server sees none of it.
        """
        with TemporaryDirectory() as empty, chdir(empty):  # a method that is made to write a file does it there
            await self._every_operation_is_guarded(bench, Surface(self.made_up))

    async def _every_operation_is_guarded(self, bench: Bench, surface: Surface) -> None:
        operations = await self._operations(bench, surface)
        if not operations:
            raise Violation(
                "No method of the client reached the server.",
                "The kit has to call them: give `values` by the names of their parameters, or override `made_up`.",
            )
        bench.force_open()
        excused: set[str] = set()
        with quiet():
            for path in operations:
                before = bench.reached()
                bench.ledger.clear()
                await outcome(surface.use(bench.client, path))
                if bench.ledger.refused and bench.reached() == before:
                    continue
                reasons = {name for name in self.unguarded if _leads_to(name, spell(path))}
                if not reasons:
                    raise Violation(
                        f"client.{spell(path)}() goes to the server, and was not refused while the breaker was open.",
                        "A guard sits where the client is narrow, at the one place that all operations pass: its "
                        "transport, its connection or its pool. What may get through is named in `unguarded`, with "
                        "the reason.",
                    )
                excused |= reasons
        if idle := sorted(self.unguarded.keys() - excused):
            raise Violation(f"{idle[0]} is named in `unguarded`, and is guarded.", "Take it out.")

    async def _operations(self, bench: Bench, surface: Surface) -> list[Path]:
        """The methods that reach the server, or would."""
        found: list[Path] = []
        toxic = LimitData(0, reset=True, direction="upstream")
        with quiet():
            async with bench.bare() as client:
                paths = list(surface.of(client))
            while paths:
                # A method that is no operation may change the client, so that the next are tried on another one.
                async with bench.bare() as client:
                    bench.proxy.add(toxic)
                    try:
                        while paths:
                            path = paths.pop(0)
                            before = bench.reached()
                            used = await outcome(surface.use(client, path))
                            if bench.reached() == before:
                                paths += surface.beyond(client, path, used.result)
                                break
                            found.append(path)
                    finally:
                        bench.proxy.remove(toxic)
        return found

    async def test_no_way_gets_through_while_open(self, bench: Bench) -> None:
        """Every way that the suite shows is refused within an instant, with connections at hand, and sends nothing."""
        calls: dict[str, Any] = {name: way for kind in _BOTH for name, way in ways(self, kind).items()}
        calls |= {name: _all_of(stream) for name, stream in ways(self, "streamed").items()}
        for call in calls.values():
            await outcome(call(bench.client, fresh()))
        await bench.at_rest("calls that the server served")
        bench.force_open()
        before = bench.reached()
        for name, call in calls.items():
            started = anyio.current_time()
            refused = (await outcome(call(bench.client, fresh()))).error
            seconds = anyio.current_time() - started
            if not isinstance(refused, CallNotPermitted):
                raise Violation(
                    f"{name} ended with {refused!r} while the breaker was open, which is no refusal.",
                    "Let what `service.admit` raises out to the caller, as it is.",
                )
            if bench.reached() != before:
                raise Violation(
                    f"{name} sent something while the breaker was open.", "Ask for the permit before anything."
                )
            if seconds > _QUICK:
                raise Violation(
                    f"The refusal of {name} took {seconds:.2f} s.",
                    "Nothing may wait or try again after a refusal: keep it out of what the client retries.",
                )
        await bench.at_rest("refused calls")

    async def test_a_refusal_is_the_clients_own_error(self, bench: Bench) -> None:
        """`except` clauses of applications hold: a refusal is also one of the client's errors."""
        name, way = next(iter(ways(self, "served").items()))
        bench.force_open()
        refused = (await outcome(way(bench.client, fresh()))).error
        roots = {kind.__module__.partition(".")[0] for kind in type(refused).__mro__}
        if not isinstance(refused, CallNotPermitted) or not roots & bench.roots:
            raise Violation(
                f"A refused {name} raises {type(refused).__qualname__}, which nobody catches who catches the client's "
                "errors.",
                "Set `service.refusal` in `guard`, to a class that is both: "
                "class AcmeCallNotPermitted(CallNotPermitted, acme.ConnectionError).",
            )


def _leads_to(name: str, spelled: str) -> bool:
    """Whether a name or pattern is that of the method, or of what it belongs to."""
    return fnmatchcase(spelled, name) or fnmatchcase(spelled, f"{name}.*")


def _all_of(stream: Any) -> Any:
    async def read(client: Any, key: str) -> list[Any]:
        return [piece async for piece in stream(client, key)]

    return read
