"""How full a client's pool is, while objects really hold its connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from plugins.s3.tests.support import QUICK, Log, until
from switchgear_s3 import BACKEND, guard

if TYPE_CHECKING:
    from switchgear import Switchgear

pytestmark = pytest.mark.anyio

assert BACKEND.saturation
saturation: Callable[[Any], Mapping[str, float]] = BACKEND.saturation

LARGE = b"x" * 3_000_000  # more than comes along with the head of an answer


async def test_a_pool_is_as_full_as_the_share_of_its_connections_that_carry_something(
    connect: Callable[..., Any], gear: Switchgear, log: Log, bucket: str
) -> None:
    """Nothing is known before the first request. Then each object whose bytes are not read holds one of three
    connections; at the third the next call waits, and goes on when one is given back. Meanwhile the service says
    that the pool is full."""
    client = guard(await connect(max_pool_connections=3), gear, name="files", breaker=QUICK)
    assert saturation(client) == {}
    await client.put_object(Bucket=bucket, Key="large", Body=LARGE)
    assert saturation(client) == {"pool": 0.0}
    bodies = []
    for held in range(1, 4):
        bodies.append((await client.get_object(Bucket=bucket, Key="large"))["Body"])
        assert saturation(client) == {"pool": held / 3}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: client.head_object(Bucket=bucket, Key="large"))
        await until(lambda: waiting(client) == 1)
        assert gear.service("files").saturations()["pool"] == 1
        for body in bodies:
            assert await body.read() == LARGE
    await until(lambda: saturation(client) == {"pool": 0.0})
    assert {event.verdict.name for event in log.settled} == {"SUCCESS"}


def waiting(client: Any) -> int:
    """Calls that want a connection and have none."""
    (session,) = client._endpoint.http_session._sessions.values()
    return sum(map(len, session.connector._waiters.values()))
