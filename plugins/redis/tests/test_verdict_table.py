"""Every row of the table of errors, produced by a real server or, where none can be made to, at the wire: the verdict,
what the breaker does, and that the caller gets redis-py's own exception, untouched.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
import redis
from redis import exceptions as redis_errors
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.client import Pipeline

from plugins.redis.tests.nodes import alone
from plugins.redis.tests.support import LASTING, TOUCHY, VERSION, Witness, bare, outcome
from plugins.redis.tests.wire import Reply, Wire, error
from switchgear import CallNotPermitted, Verdict
from switchgear.testing import FaultProxy, ValkeyServer
from tests.certificates import expired

pytestmark = pytest.mark.anyio

SUCCESS, FAILURE, THROTTLED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.THROTTLED, Verdict.IGNORED
BROKEN = FAILURE.everywhere()

PATIENT = replace(LASTING, consecutive_failures=100)

Call = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True)
class Below:
    """What redis-py itself raised, below the guard."""

    exceptions: list[tuple[Exception, BaseException | None, BaseException | None, list[str]]] = field(
        default_factory=list[Any]
    )

    def watch(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        method = getattr(owner, name)

        async def watched(*args: Any, **kwargs: Any) -> Any:
            try:
                return await method(*args, **kwargs)
            except Exception as exc:
                self.exceptions.append((exc, exc.__cause__, exc.__context__, frames(exc)))
                raise

        monkeypatch.setattr(owner, name, watched)

    def assert_untouched(self, caught: Exception) -> None:
        """The same object, with the same cause and context, and each frame that it had."""
        raised, cause, context, had = self.exceptions[-1]
        assert caught is raised
        assert caught.__cause__ is cause
        assert caught.__context__ is context
        assert frames(caught)[-len(had) :] == had


def of_clusters(kind: type[Exception]) -> type[Exception]:
    """An error that redis-py before 6 knows on clusters only; elsewhere it is one of many there."""
    return kind if VERSION >= (6, 0) else redis_errors.ResponseError


def frames(exc: BaseException) -> list[str]:
    return [f"{frame.filename}:{frame.name}" for frame in traceback.extract_tb(exc.__traceback__)]


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> Below:
    below = Below()
    below.watch(monkeypatch, Redis, "execute_command")
    below.watch(monkeypatch, Pipeline, "execute")
    return below


def once(*, port: int, **options: Any) -> Any:
    """A client that tries once, as those that switchgear makes: so that one error is one verdict."""
    return bare(port, retry=None, **options)


async def get(client: Any) -> Any:
    return await client.get("key")


async def put(client: Any) -> Any:
    return await client.set("key", "value")


async def in_transaction(client: Any) -> Any:
    return await client.pipeline(transaction=True).set("key", "value").execute()


async def judged(
    client: Any, call: Call, kind: type[Exception], verdict: Verdict, witness: Witness, below: Below
) -> None:
    """One failing call through a breaker that opens at the first failure, and stays open."""
    witness.guard(client, LASTING)
    raised = await outcome(call(client))
    assert type(raised) is kind, repr(raised)
    below.assert_untouched(raised)
    assert [settled.verdict for settled in witness.settled] == [verdict]
    assert witness.in_flight == 0
    states = witness.states()
    opened = {domain for domain, state in states.items() if state == "OPEN"}
    half = next(iter(set(states) - {""}))
    assert opened == ({"", half} if verdict == BROKEN else {half} if verdict == FAILURE else set())
    again = await outcome(call(client))
    assert isinstance(again, CallNotPermitted) == (verdict.name == "FAILURE")


# -- a real server in a bad way ----------------------------------------------------------------------------------------


async def full(admin: Any) -> None:
    await admin.config_set("maxmemory", 1)


async def replica(admin: Any) -> None:
    await admin.replicaof("127.0.0.1", 1)


async def orphaned(admin: Any) -> None:
    await admin.config_set("replica-serve-stale-data", "no")
    await admin.replicaof("127.0.0.1", 1)


async def lonely(admin: Any) -> None:
    await admin.config_set("min-replicas-to-write", 1)


async def of_another_type(admin: Any) -> None:
    await admin.rpush("key", 1)


async def not_for_us(admin: Any) -> None:
    await admin.acl_setuser("default", enabled=True, nopass=True, reset_keys=True, keys=["other"], commands=["+@all"])


async def nothing(admin: Any) -> None: ...


async def no_script(client: Any) -> Any:
    return await client.evalsha("0" * 40, 0)


async def nonsense(client: Any) -> Any:
    return await client.execute_command("NONSENSE")


async def unsendable(client: Any) -> Any:
    return await client.set("key", object())


async def lost_race(client: Any) -> Any:
    async with client.pipeline() as pipeline:
        await pipeline.watch("key")
        async with once(port=client.connection_pool.connection_kwargs["port"]) as other:
            await other.set("key", "another")
        pipeline.multi()
        pipeline.set("key", "value")
        return await pipeline.execute()


async def invalid_transaction(client: Any) -> Any:
    return await client.pipeline(transaction=True).execute_command("NONSENSE").execute()


BY_THE_SERVER: dict[str, tuple[Callable[[Any], Awaitable[None]], Call, type[Exception], Verdict]] = {
    "OOM": (full, put, redis_errors.OutOfMemoryError, FAILURE),
    "OOM in a transaction": (full, in_transaction, redis_errors.OutOfMemoryError, FAILURE),
    "READONLY": (replica, put, redis_errors.ReadOnlyError, FAILURE),
    "MASTERDOWN": (orphaned, get, of_clusters(redis_errors.MasterDownError), FAILURE),
    "NOREPLICAS": (lonely, put, redis_errors.ResponseError, FAILURE),
    "WRONGTYPE": (of_another_type, get, redis_errors.ResponseError, SUCCESS),
    "NOSCRIPT": (nothing, no_script, redis_errors.NoScriptError, SUCCESS),
    "unknown command": (nothing, nonsense, redis_errors.ResponseError, SUCCESS),
    "EXECABORT": (nothing, invalid_transaction, redis_errors.ResponseError, SUCCESS),
    "NOPERM": (not_for_us, get, redis_errors.NoPermissionError, IGNORED),
    "arguments": (nothing, unsendable, redis_errors.DataError, IGNORED),
}


@pytest.mark.parametrize("row", BY_THE_SERVER)
async def test_what_a_server_says(row: str, victim: ValkeyServer, witness: Witness, below: Below) -> None:
    """Each error that a server can be brought to by its own configuration."""
    bring_about, call, kind, verdict = BY_THE_SERVER[row]
    async with bare(victim.port) as admin:
        await bring_about(admin)
    async with once(port=victim.port) as client:
        await judged(client, call, kind, verdict, witness, below)


async def test_a_lost_race(victim: ValkeyServer, witness: Witness, below: Below) -> None:
    """WATCH found that somebody else was quicker: the server did its work, twice."""
    async with once(port=victim.port) as client:
        witness.guard(client, LASTING)
        raised = await outcome(lost_race(client))
    assert type(raised) is redis_errors.WatchError
    below.assert_untouched(raised)
    assert [settled.verdict for settled in witness.settled] == [SUCCESS, SUCCESS]


@asynccontextmanager
async def without_slots() -> AsyncIterator[int]:
    async with alone() as server:
        yield server.port


@asynccontextmanager
async def with_a_password() -> AsyncIterator[int]:
    async with ValkeyServer("--requirepass", "hush") as server:
        yield server.port


@asynccontextmanager
async def killed() -> AsyncIterator[int]:
    async with ValkeyServer() as server:
        await server.kill()
        yield server.port


@asynccontextmanager
async def hung() -> AsyncIterator[int]:
    async with ValkeyServer() as server:
        await server.hang()
        yield server.port
        await server.resume()


@asynccontextmanager
async def unreachable() -> AsyncIterator[int]:
    """Its host answers no knock."""
    async with ValkeyServer() as server, FaultProxy("127.0.0.1", server.port) as proxy:
        await proxy.blackhole()
        yield proxy.port


OF_ITS_OWN: dict[str, tuple[Any, dict[str, Any], type[Exception], Verdict]] = {
    "CLUSTERDOWN": (without_slots, {}, of_clusters(redis_errors.ClusterDownError), FAILURE),
    "NOAUTH": (with_a_password, {}, redis_errors.AuthenticationError, IGNORED),
    "WRONGPASS": (with_a_password, {"password": "wrong"}, redis_errors.AuthenticationError, IGNORED),
    "refused": (killed, {}, redis_errors.ConnectionError, BROKEN),
    "hung": (hung, {"socket_timeout": 0.2}, redis_errors.TimeoutError, FAILURE),
    "unreachable": (unreachable, {"socket_connect_timeout": 0.2}, redis_errors.TimeoutError, BROKEN),
}


@pytest.mark.parametrize("row", OF_ITS_OWN)
async def test_what_a_server_of_its_own_does(row: str, witness: Witness, below: Below) -> None:
    """Each fault that takes a server of its own, or ends one."""
    server, options, kind, verdict = OF_ITS_OWN[row]
    async with server() as port, once(port=port, protocol=2, **options) as client:
        await judged(client, get, kind, verdict, witness, below)


async def test_no_tls(witness: Witness, below: Below) -> None:
    """A TLS handshake that fails: nothing can be said to that server."""
    async with Wire(Reply()) as wire, once(port=wire.port, ssl=True, socket_timeout=2) as client:
        await judged(client, get, redis_errors.ConnectionError, BROKEN, witness, below)


async def test_an_expired_certificate(witness: Witness, below: Below, tmp_path: Path) -> None:
    """Of an authority that the client trusts: its date alone is wrong. Nothing is said to that server either, and of
    redis-py's ten retries, which cannot mend it, the breaker leaves as many as it takes to open."""
    tls, trusted = expired(tmp_path)
    async with (
        Wire(Reply(b"+PONG\r\n"), tls=tls) as wire,
        once(port=wire.port, ssl=True, ssl_ca_certs=trusted) as client,
        bare(wire.port, ssl=True, ssl_ca_certs=trusted) as persistent,
    ):
        await judged(client, get, redis_errors.ConnectionError, BROKEN, witness, below)
        assert "certificate has expired" in str(below.exceptions[0][0])
        own = Witness()
        assert isinstance(await outcome(get(own.guard(persistent, TOUCHY))), redis.ConnectionError)
        assert isinstance(await outcome(get(persistent)), CallNotPermitted)
        assert wire.commands == []


@pytest.mark.parametrize("blocking", [False, True])
async def test_an_empty_pool(blocking: bool, victim: ValkeyServer, witness: Witness, below: Below) -> None:
    """Ours is full; the server was not asked. Both kinds of pool say so, each in its own way."""
    kind: Any = BlockingConnectionPool if blocking else ConnectionPool
    options = {"timeout": 0.05} if blocking else {}
    pool = kind(host="127.0.0.1", port=victim.port, max_connections=1, **options)
    client = Redis(connection_pool=pool)
    async with client.client() as holder:
        await holder.ping()
        witness.guard(client, LASTING)
        raised = await outcome(get(client))
        assert isinstance(raised, redis_errors.ConnectionError)
        below.assert_untouched(raised)
        assert [settled.verdict for settled in witness.settled] == [IGNORED]
        assert "OPEN" not in witness.states().values()
    await client.aclose(close_connection_pool=True)


# -- at the wire -------------------------------------------------------------------------------------------------------

BUSY = "BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
MISCONF = "MISCONF Valkey is configured to save RDB snapshots, but it's currently unable to persist to disk."

AT_THE_WIRE: dict[str, tuple[Reply, type[Exception], Verdict]] = {
    "closed": (Reply(then="cut"), redis_errors.ConnectionError, BROKEN),
    "reset in a reply": (Reply(b"$5\r\nva", "reset"), redis_errors.ConnectionError, BROKEN),
    "half a reply": (Reply(b"$5\r\nva", "cut"), redis_errors.ConnectionError, BROKEN),
    "half a reply, and silence": (Reply(b"$5\r\nva", "stall"), redis_errors.TimeoutError, FAILURE),
    "no answer": (Reply(then="stall"), redis_errors.TimeoutError, FAILURE),
    "LOADING": (error("LOADING Valkey is loading the dataset in memory"), redis_errors.BusyLoadingError, BROKEN),
    "maxclients": (error("ERR max number of clients reached"), redis_errors.ConnectionError, THROTTLED),
    "BUSY": (error(BUSY), redis_errors.ResponseError, FAILURE),
    "MISCONF": (error(MISCONF), redis_errors.ResponseError, FAILURE),
    "IOERR": (error("IOERR error or timeout writing to target instance"), redis_errors.ResponseError, FAILURE),
    "UNKILLABLE": (error("UNKILLABLE Sorry the script already wrote."), redis_errors.ResponseError, FAILURE),
    "TRYAGAIN": (
        error("TRYAGAIN Multiple keys request during rehashing"),
        of_clusters(redis_errors.TryAgainError),
        IGNORED,
    ),
    "MOVED": (error("MOVED 3999 127.0.0.1:6381"), of_clusters(redis_errors.MovedError), IGNORED),
    "ASK": (error("ASK 3999 127.0.0.1:6381"), of_clusters(redis_errors.AskError), IGNORED),
    "CROSSSLOT": (
        error("CROSSSLOT Keys don't hash to the same slot"),
        of_clusters(redis_errors.ClusterCrossSlotError),
        SUCCESS,
    ),
    "BUSYGROUP": (error("BUSYGROUP Consumer Group name already exists"), redis_errors.ResponseError, SUCCESS),
}


@pytest.mark.parametrize("row", AT_THE_WIRE)
async def test_what_the_wire_says(row: str, witness: Witness, below: Below) -> None:
    """Each fault that no server can be brought to on demand, as the bytes that clients get of it."""
    reply, kind, verdict = AT_THE_WIRE[row]
    async with Wire(reply) as wire, once(port=wire.port, protocol=2, socket_timeout=0.2) as client:
        await judged(client, get, kind, verdict, witness, below)


async def test_half_a_reply_poisons_its_connection(witness: Witness) -> None:
    """What comes after it is nobody's answer: the next command has another connection, and its own."""
    async with (
        Wire(Reply(b"$5\r\nva", "stall")) as wire,
        once(port=wire.port, protocol=2, socket_timeout=0.2) as client,
    ):
        witness.guard(client, PATIENT)
        assert isinstance(await outcome(get(client)), redis_errors.TimeoutError)
        wire.reply = Reply(b"$5\r\nother\r\n")
        assert await client.get("key") == b"other"
        assert wire.accepted == 2
    assert [settled.verdict for settled in witness.settled] == [FAILURE, SUCCESS]


async def test_not_redis_at_all(witness: Witness, below: Below) -> None:
    """A web server at the address."""
    page = Reply(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    async with Wire(page) as wire, once(port=wire.port, protocol=2, socket_timeout=0.2) as client:
        witness.guard(client, LASTING)
        raised = await outcome(get(client))
        assert isinstance(raised, redis.RedisError)
        below.assert_untouched(raised)
        assert [settled.verdict.name for settled in witness.settled] == ["FAILURE"]
        assert isinstance(await outcome(get(client)), CallNotPermitted)


async def test_cancelled(witness: Witness) -> None:
    """Neither success nor failure; the permit is back, and the cancellation goes on."""
    async with Wire(Reply(then="stall")) as wire, once(port=wire.port, protocol=2) as client:
        witness.guard(client, LASTING)
        with anyio.move_on_after(0.05) as patience:
            await client.get("key")
    assert patience.cancelled_caught
    assert [settled.verdict for settled in witness.settled] == [IGNORED]
    assert witness.in_flight == 0
