"""A stream's permit lives as long as the stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from switchgear.testing.conformance._bench import Bench, fresh, outcome
from switchgear.testing.conformance._suite import Suite
from switchgear.testing.conformance._violation import Violation
from switchgear.testing.conformance._ways import ways
from switchgear.testing.toxics import Bandwidth


class Streaming(Suite):
    """Checks of answers that come piece by piece."""

    async def test_a_stream_settles_at_its_end(self, bench: Bench) -> None:
        """It is no success before its last piece, and one verdict after it."""
        for name, stream in self._streams():
            bench.ledger.clear()
            async with aclosing(stream(bench.client, fresh())) as pieces:
                await anext(pieces)
                if not bench.ledger.open:
                    raise Violation(
                        f"{name} was settled when its first piece came.",
                        "Say `permit.first_chunk()` then, and settle at the end of the body.",
                    )
                await _rest(pieces)
            await bench.at_rest(f"{name} was read to its end")
            _expect(bench, name, "read to its end", {"SUCCESS"})

    async def test_an_abandoned_stream_gives_its_permit_back(self, bench: Bench) -> None:
        """Who stops reading says nothing about the server."""
        for name, stream in self._streams():
            bench.ledger.clear()
            async with aclosing(stream(bench.client, fresh())) as pieces:
                await anext(pieces)
            del pieces
            await bench.at_rest(f"{name} was read in part")
            _expect(bench, name, "read in part", {"IGNORED", "SUCCESS"})

    async def test_a_broken_stream_is_a_failure(self, bench: Bench) -> None:
        """A connection that ends amid a stream is the reader's error, and a failure, once."""
        for name, stream in self._streams():
            bench.ledger.clear()
            slow = bench.proxy.add(Bandwidth(4000))
            async with aclosing(stream(bench.client, fresh())) as pieces:
                await anext(pieces)
                await bench.proxy.down()
                ended = await outcome(_rest(pieces))
            if ended.error is None:
                raise Violation(
                    f"{name} ended without an error when its connection broke.", "Hide no error of the client's."
                )
            bench.proxy.remove(slow)
            await bench.proxy.up()
            await bench.at_rest(f"the connection of {name} broke")
            _expect(bench, name, "cut off", {"FAILURE"})

    def _streams(self) -> Iterator[tuple[str, Any]]:
        streams = ways(self, "streamed")
        if not streams:
            pytest.skip("the suite shows no @streamed way: this client has no answers that come piece by piece")
        yield from streams.items()


async def _rest(pieces: Any) -> None:
    async for _ in pieces:
        pass


def _expect(bench: Bench, name: str, how: str, verdicts: set[str]) -> None:
    """The last permit that was taken is the stream's: those before it may be a connection's."""
    stream = bench.ledger.permits[-1].operation
    found = [verdict for operation, verdict in bench.ledger.verdicts if operation == stream]
    if len(found) != 1 or found[0] not in verdicts:
        raise Violation(
            f"{name}, {how}, was settled as {found}.",
            f"It is one {' or '.join(sorted(verdicts))}: `permit.succeed()` at the end, `permit.fail(exc)` when it "
            "breaks, `permit.release()` when the consumer walks away.",
        )
