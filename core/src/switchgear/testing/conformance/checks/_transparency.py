"""A guarded client is the client it was."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from switchgear.testing.conformance._bench import Bench, fresh, outcome
from switchgear.testing.conformance._suite import Suite
from switchgear.testing.conformance._violation import Violation
from switchgear.testing.conformance._ways import ways


class Transparency(Suite):
    """Checks that compare a guarded client with one that is not."""

    async def test_a_guarded_client_is_the_client_it_was(self, bench: Bench) -> None:
        """`guard` returns the very object; its type, its name and its repr are as before, in every way that shows."""
        async with bench.bare() as client:
            kind = client.__class__
            text = repr(client)
            guarded = bench.gear.guard(client, bench.backend, name="guarded")
            if guarded is not client:
                raise Violation(
                    f"`guard` returned another object ({type(guarded).__qualname__}) than the client it was given.",
                    "Guard it in place: whoever holds the client already must be guarded too.",
                )
            if not isinstance(guarded, kind) or _name(kind) != _name(guarded.__class__) or repr(guarded) != text:
                raise Violation(
                    f"{text} of {_name(kind)} becomes {guarded!r} of {_name(guarded.__class__)} when it is guarded.",
                    "A subclass that a guard makes keeps the name and the module of the class it is made of.",
                )

    async def test_results_and_errors_are_the_clients_own(self, bench: Bench) -> None:
        """What a guarded call returns or raises is what an unguarded one does: types, values, texts, causes."""
        async with bench.bare() as bare:
            for kind in ("served", "rejected"):
                for name, way in ways(self, kind).items():
                    key = fresh()
                    expected, actual = await outcome(way(bare, key)), await outcome(way(bench.client, key))
                    if (expected.error is None) is not (kind == "served"):
                        raise Violation(
                            f"{name} ended with {expected!r} on a client that nobody guards.",
                            f"It is marked as {kind}: mend the way, or mark it otherwise.",
                        )
                    if _seen(expected.error) != _seen(actual.error) or not _alike(expected.result, actual.result):
                        raise Violation(
                            f"{name} gives {_shown(actual)} when it is guarded, and otherwise {_shown(expected)}.",
                            "Return what the client returned, and raise what it raised: `raise`, without an argument.",
                        )

    def test_it_is_typed(self) -> None:
        """The plugin's annotations are for its users as well."""
        spec = find_spec(self.module())
        places = list(spec.submodule_search_locations or ()) if spec else []
        if not places:
            pytest.skip("the plugin is a single file, for which there is no py.typed")
        if not any(Path(place, "py.typed").exists() for place in places):
            raise Violation(
                f"{self.module()} has no file py.typed.", "Add one, empty, so that type checkers look into it."
            )


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _seen(error: BaseException | None) -> list[tuple[str, str]]:
    """The types and texts of an exception and its causes. Types by name: some clients make theirs as they go."""
    chain: list[tuple[str, str]] = []
    while error is not None:
        chain.append((_name(type(error)), str(error)))
        error = error.__cause__
    return chain


def _alike(one: Any, other: Any) -> bool:
    kind = one.__class__
    comparable = kind.__eq__ is not object.__eq__
    return kind is type(other) and (not comparable or bool(one == other))


def _shown(seen: Any) -> str:
    return f"{seen.result!r}" if seen.error is None else f"{seen.error!r} caused by {seen.error.__cause__!r}"
