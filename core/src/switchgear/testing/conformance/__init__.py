"""The proof that a plugin guards: a suite of checks that any plugin passes, by what everybody can see of it.

    class TestConformance(Conformance):
        plugin = "acme"

        def server(self):
            return AcmeServer()

        def settings(self, server, port):
            return AcmeSettings(url=f"acme://127.0.0.1:{port}", timeout=0.5)

        @served
        async def get(self, client, key):
            return await client.get(key)

`python -m switchgear.testing.conformance --plugin acme` runs it and sums up. A check that a plugin cannot pass is named
in `deviations`, with the reason; it is run all the same, and has to fail. Deleting or overriding one is an error.
"""

from __future__ import annotations

from typing import Any

import pytest

from switchgear.testing.conformance._bench import Bench
from switchgear.testing.conformance._violation import Violation
from switchgear.testing.conformance._ways import rejected, served, streamed, ways
from switchgear.testing.conformance.checks._declaring import Declaring
from switchgear.testing.conformance.checks._failing import Failing
from switchgear.testing.conformance.checks._guarding import Guarding
from switchgear.testing.conformance.checks._probing import Probing
from switchgear.testing.conformance.checks._settling import Settling
from switchgear.testing.conformance.checks._streaming import Streaming
from switchgear.testing.conformance.checks._transparency import Transparency

__all__ = ["Bench", "Conformance", "Violation", "rejected", "served", "streamed"]


class Conformance(Guarding, Transparency, Settling, Streaming, Failing, Probing, Declaring):
    """All checks. A subclass says what they need to know; see Suite. Raises TypeError for one that evades a check."""

    pytestmark = pytest.mark.anyio

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        checks = [name for name in dir(Conformance) if name.startswith("test_")]
        for name in checks:
            if getattr(cls, name, None) is not getattr(Conformance, name):
                raise TypeError(
                    f"{cls.__qualname__} replaces the check {name}. A check that this plugin cannot pass is named in "
                    f'`deviations`, with the reason: deviations = {{"{name.removeprefix("test_")}": "..."}}.'
                )
        for name, reason in cls.deviations.items():
            if f"test_{name}" not in checks or not reason.strip():
                raise TypeError(f"{cls.__qualname__} deviates from {name!r}: there is no such check, or no reason.")
        if not ways(cls(), "served"):
            raise TypeError(f"{cls.__qualname__} shows no way that is served. Mark at least one method with @served.")
