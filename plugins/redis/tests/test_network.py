"""What happens between a client and a server that is in good health."""

from __future__ import annotations

from dataclasses import replace

import pytest
import redis

from plugins.redis.tests.support import QUICK, TOUCHY, Witness, bare, outcome, serves, until
from switchgear import CallNotPermitted, Verdict
from switchgear.testing import Bandwidth, FaultProxy, ValkeyServer

pytestmark = pytest.mark.anyio

SIZE = 200_000


async def test_a_narrow_link_is_slow_and_no_failure(server: ValkeyServer, witness: Witness) -> None:
    """A large reply that trickles in is read to its end. It is slow, for which one call alone opens nothing; most calls
    being so does, without a single error."""
    slow = replace(QUICK, slow_call_duration_threshold={"read": 0.3}, minimum_number_of_calls=3)
    async with FaultProxy("127.0.0.1", server.port) as proxy, bare(server.port) as direct:
        await direct.set("key", b"x" * SIZE)
        async with bare(proxy.port, retry=None, socket_timeout=30) as client:
            witness.guard(client, slow)
            await client.get("none")  # which connects
            narrow = proxy.add(Bandwidth(SIZE / 0.6))
            assert await client.get("key") == b"x" * SIZE
            assert witness.verdicts[-1] == ("redis.get", Verdict.SUCCESS)
            assert witness.states()["read"] == "CLOSED"
            assert await client.get("key") == b"x" * SIZE
            assert witness.states()["read"] == "OPEN"
            assert "slow-call rate" in witness.moved[0].detail
            assert isinstance(await outcome(client.get("key")), CallNotPermitted)
            assert {Verdict.SUCCESS} == {verdict for _, verdict in witness.verdicts}
            proxy.remove(narrow)
            await until(lambda: serves(client))


async def test_a_name_that_points_nowhere(server: ValkeyServer, witness: Witness, names: dict[str, str]) -> None:
    """DNS is changed to a dead address: connections that are open go on; new ones fail, and open the breaker. When the
    name is right again, the next probe asks for it anew, and the same client serves."""
    names["cache.test"] = "127.0.0.1"
    async with bare(server.port, host="cache.test", retry=None, socket_connect_timeout=5) as client:
        witness.guard(client, TOUCHY)
        assert await client.set("key", "value")
        names["cache.test"] = "127.0.0.2"
        assert await client.get("key") == b"value"
        async with bare(server.port) as other:
            await other.client_kill_filter(_type="normal", skipme=True)
        refused = await outcome(client.get("key"))
        while not isinstance(refused, CallNotPermitted):  # the first may be of the connection that was killed
            assert isinstance(refused, redis.ConnectionError)
            refused = await outcome(client.get("key"))
        assert witness.states() == {"": "OPEN", "read": "OPEN", "write": "CLOSED"}
        names["cache.test"] = "127.0.0.1"
        await until(lambda: serves(client))
        assert await client.get("key") == b"value"


async def test_a_name_that_does_not_exist(witness: Witness, names: dict[str, str]) -> None:
    """NXDOMAIN is a server that cannot be reached."""
    async with bare(6379, host="nowhere.invalid", retry=None) as client:
        witness.guard(client, TOUCHY)
        raised = await outcome(client.get("key"))
        assert type(raised) is redis.ConnectionError
        assert witness.verdicts == [("redis.get", Verdict.FAILURE.everywhere())]
        assert isinstance(await outcome(client.get("key")), CallNotPermitted)
