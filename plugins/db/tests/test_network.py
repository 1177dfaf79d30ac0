"""What happens between an engine and a server that is in good health, or that is not sure to be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from ssl import SSLCertVerificationError, SSLContext, create_default_context
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from plugins.db.tests.support import CONFIG, TOUCHY, Board, ask, outcome, running, until
from switchgear import CallNotPermitted
from switchgear.testing import Bandwidth, FaultProxy, PostgresServer
from tests.certificates import expired

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.anyio

SIZE = 200_000


@asynccontextmanager
async def speaking(tls: SSLContext) -> AsyncIterator[int]:
    """The port of a server that begins as PostgreSQL does with those who want TLS."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)  # SSLRequest
        writer.write(b"S")
        try:
            await writer.start_tls(tls)
        except OSError:
            pass  # the client does not like it
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_an_expired_certificate(driver: str, board: Board, tmp_path: Path) -> None:
    """Of an authority that the client trusts: its date alone is wrong. Nothing can be said to that server; the caller
    has the driver's own error, which says why."""
    tls, trusted = expired(tmp_path)
    async with speaking(tls) as port:
        options: dict[str, Any] = (
            {"ssl": create_default_context(cafile=trusted)}
            if driver == "asyncpg"
            else {"sslmode": "verify-full", "sslrootcert": trusted}
        )
        url = f"postgresql+{driver}://postgres@127.0.0.1:{port}/postgres"
        engine = board.engine(url, TOUCHY, connect_args=options)
        raised = await outcome(ask(engine))
        assert isinstance(raised, SSLCertVerificationError if driver == "asyncpg" else OperationalError)
        assert "certificate" in str(raised)
        assert board.settled == [("db.connect", "FAILURE")]
        assert board.states() == {"": "OPEN", "read": "OPEN"}
        assert isinstance(await outcome(ask(engine)), CallNotPermitted)


@asynccontextmanager
async def through_a_proxy(board: Board, healthy: PostgresServer, driver: str) -> AsyncIterator[Any]:
    async with FaultProxy("127.0.0.1", healthy.port) as proxy:
        url = healthy.url(driver).replace(f":{healthy.port}/", f":{proxy.port}/")
        engine = board.engine(url, TOUCHY)
        yield proxy, engine
        await engine.dispose()


async def test_a_narrow_link_is_no_failure(healthy: PostgresServer, driver: str, board: Board) -> None:
    """A large row that trickles in is read to its end, and nothing opens."""
    async with through_a_proxy(board, healthy, driver) as (proxy, engine):
        await ask(engine)
        narrow = proxy.add(Bandwidth(SIZE / 0.6))
        assert await ask(engine, f"SELECT repeat('x', {SIZE})") == "x" * SIZE
        proxy.remove(narrow)
        assert {verdict for _, verdict in board.settled} <= {"SUCCESS", "IGNORED"}
        assert "OPEN" not in board.states().values()


async def test_a_name_that_points_nowhere(
    healthy: PostgresServer, driver: str, board: Board, names: dict[str, str]
) -> None:
    """DNS is changed to a dead address: the connection that is open goes on; a new one fails, and opens the breaker.
    When the name is right again, the probe asks for it anew, and the same engine serves."""
    names["db.test"] = "127.0.0.1"
    engine = board.engine(healthy.url(driver).replace("127.0.0.1", "db.test"), TOUCHY)
    assert await ask(engine) == 1
    names["db.test"] = "127.0.0.2"
    assert await ask(engine) == 1
    await engine.dispose()
    raised = await outcome(ask(engine))
    assert isinstance(raised, (ConnectionRefusedError, OperationalError))
    assert not isinstance(raised, CallNotPermitted)
    assert board.states()["read"] == "OPEN"
    assert isinstance(await outcome(ask(engine)), CallNotPermitted)
    names["db.test"] = "127.0.0.1"
    board.clock.advance(60.0)
    assert [await ask(engine) for _ in range(5)] == [1] * 5
    assert "OPEN" not in board.states().values()


async def test_a_commit_in_doubt_is_a_failure_and_not_repeated(
    healthy: PostgresServer, driver: str, board: Board
) -> None:
    """The connection goes while the server commits: nobody knows whether it did. The caller has the driver's error,
    the breaker a failure of writes, and nothing is sent a second time; here the row is there, once."""
    own = Board()
    direct = own.engine(healthy.url("asyncpg"))
    await ask(direct, "DROP TABLE IF EXISTS doubt")
    await ask(direct, "CREATE TABLE doubt (x int UNIQUE DEFERRABLE INITIALLY DEFERRED, slow text)")
    await ask(
        direct,
        "CREATE OR REPLACE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$",
    )
    await ask(
        direct,
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON doubt DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION linger()",
    )
    async with through_a_proxy(board, healthy, driver) as (proxy, engine):
        connection = await engine.connect()
        await connection.execute(text("INSERT INTO doubt VALUES (1)"))
        board.settled.clear()
        commit = asyncio.create_task(outcome(connection.commit()))
        await committing(direct)
        await proxy.down()
        raised = await commit
        assert isinstance(raised, Exception)
        assert not isinstance(raised, CallNotPermitted)
        assert board.settled == [("db.commit", "FAILURE")]
        assert board.states()["write"] == "OPEN"
        await connection.close()
    await committed(direct)
    await direct.dispose()


async def committing(engine: AsyncEngine) -> None:
    """Wait until some other session is in its COMMIT."""

    async def seen() -> bool:
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query ILIKE 'commit%'"
        return bool(await ask(engine, sessions))

    await until(seen)


async def committed(engine: AsyncEngine) -> None:
    async def there() -> bool:
        return bool(await ask(engine, "SELECT count(*) FROM doubt") == 1)

    await until(there)


async def test_a_convoy_of_slow_queries_opens(healthy: PostgresServer, driver: str, board: Board) -> None:
    """No error at all, but each statement takes long: as many as make a rate open the breaker of reads."""
    slow = replace(
        CONFIG, consecutive_failures=None, slow_call_duration_threshold={"read": 5.0}, minimum_number_of_calls=4
    )
    engine, observer = board.engine(healthy.url(driver), slow), Board()
    direct = observer.engine(healthy.url("asyncpg"))
    query = "SELECT pg_sleep(0.2) /* convoy */"
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(ask, engine, query)
        await running(direct, query)
        board.clock.advance(6.0)  # as the breaker sees it
    assert board.states()["read"] == "OPEN"
    assert {verdict for operation, verdict in board.settled if operation == "db.select"} == {"SUCCESS"}
    assert isinstance(await outcome(ask(engine)), CallNotPermitted)
    await direct.dispose()
