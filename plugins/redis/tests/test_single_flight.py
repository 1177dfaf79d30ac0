"""Cache misses: loaded once, refreshed early, answered from what is stale, and bounded where there is no Redis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
import redis
from anyio import create_task_group

from plugins.redis.tests.support import Witness, until
from switchgear import Bulkhead, ConfigurationError, LimitExceeded, Pipeline
from switchgear.testing import ValkeyServer
from switchgear_redis import SingleFlight

pytestmark = pytest.mark.anyio


class Database:
    """What is loaded from: it counts who asks, and how many do at once."""

    def __init__(self) -> None:
        self.asked = self.under_way = self.most = 0
        self.error: Exception | None = None
        self.open = anyio.Event()
        self.open.set()

    async def load(self) -> str:
        self.asked += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        number = self.asked
        try:
            await anyio.sleep(0.002)
            await self.open.wait()
        finally:
            self.under_way -= 1
        if self.error is not None:
            raise self.error
        return f"value {number}"

    def hold(self) -> None:
        """Let nobody have an answer until it is opened."""
        self.open = anyio.Event()


@pytest.fixture
def database() -> Database:
    return Database()


class Down(Exception):
    """What a database raises that is."""


async def crowd(flights: SingleFlight, database: Database, *keys: str, callers: int = 50, **options: Any) -> list[Any]:
    """What so many callers of each key have, who come at once."""
    answers: list[Any] = []

    async def call(key: str) -> None:
        try:
            answers.append(await flights.get_or_set(key, database.load, ttl=60, **options))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test asks for
            answers.append(error)

    async with create_task_group() as group:
        for key in keys:
            for _ in range(callers):
                group.start_soon(call, key)
    return answers


async def asked(database: Database, times: int) -> None:
    async def so_often() -> bool:
        return database.asked >= times

    await until(so_often)


async def test_a_miss_is_loaded_once(client: Any, database: Database) -> None:
    """However many ask at once; afterwards it comes from the cache."""
    flights = SingleFlight(client)
    assert await crowd(flights, database, "key") == ["value 1"] * 50
    assert await crowd(flights, database, "key") == ["value 1"] * 50
    assert database.asked == 1
    assert not flights._flights


@pytest.mark.parametrize("decode", [True, False])
@pytest.mark.parametrize("value", [None, 0, "text", {"a": [1, 2.5, None]}, "ä €"])
async def test_values_are_what_they_were(
    server: ValkeyServer, connect: Any, witness: Witness, decode: bool, value: object
) -> None:
    """Whether or not the client decodes; None is a value like any other."""
    flights = SingleFlight(witness.guard(connect(server, decode_responses=decode)))
    loads = 0

    async def load() -> object:
        nonlocal loads
        loads += 1
        return value

    for _ in range(3):
        assert await flights.get_or_set("key", load, ttl=60) == value
    assert loads == 1


async def test_values_in_bytes(server: ValkeyServer, connect: Any, witness: Witness, database: Database) -> None:
    """`dumps` may make bytes of any kind, spaces among them."""
    client = witness.guard(connect(server))
    flights = SingleFlight(
        client, dumps=lambda text: b"\xff \x00" + text.encode(), loads=lambda data: data[3:].decode()
    )
    for _ in range(2):
        assert await flights.get_or_set("key", database.load, ttl=60) == "value 1"


async def test_what_is_not_ours_is_loaded_anew(client: Any, database: Database) -> None:
    """A key with something else in it, or without an end, is no entry; one of another type is the caller's mistake."""
    flights = SingleFlight(client)
    await client.set("key", "something else", ex=60)
    assert await flights.get_or_set("key", database.load, ttl=60) == "value 1"
    await client.set("key", "0.1 1")
    assert await flights.get_or_set("key", database.load, ttl=60) == "value 2"
    await client.lpush("list", "item")
    with pytest.raises(redis.ResponseError):
        await flights.get_or_set("list", database.load, ttl=60)


async def test_an_error_is_everybodys_and_is_not_kept(client: Any, database: Database) -> None:
    """All who wait have it, each with a traceback as short as the first one's; the next caller loads again."""
    flights = SingleFlight(client)
    database.error = Down()
    answers = await crowd(flights, database, "key", callers=500)
    assert {id(answer) for answer in answers} == {id(database.error)}
    assert database.asked == 1
    frames, traceback = 0, database.error.__traceback__
    while traceback is not None:
        frames, traceback = frames + 1, traceback.tb_next
    assert frames < 20
    database.error = None
    assert await flights.get_or_set("key", database.load, ttl=60) == "value 2"


async def test_who_leads_and_is_cancelled_is_replaced(client: Any, database: Database) -> None:
    """Those who waited for him do not fail: one of them loads, once, for all."""
    flights, answers = SingleFlight(client), list[str]()
    database.hold()

    async def call() -> None:
        answers.append(await flights.get_or_set("key", database.load, ttl=60))

    async with create_task_group() as group:
        leader = anyio.CancelScope()

        async def lead() -> None:
            with leader:
                await call()

        group.start_soon(lead)
        await asked(database, 1)
        for _ in range(20):
            group.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        leader.cancel()
        await asked(database, 2)
        database.open.set()
    assert answers == ["value 2"] * 20
    assert (database.asked, database.most) == (2, 1)
    assert not flights._flights


async def test_who_waits_and_is_cancelled_disturbs_nobody(client: Any, database: Database) -> None:
    """The load goes on."""
    flights = SingleFlight(client)
    database.hold()
    async with create_task_group() as group:
        answers = list[str]()

        async def call(scope: anyio.CancelScope) -> None:
            with scope:
                answers.append(await flights.get_or_set("key", database.load, ttl=60))

        group.start_soon(call, anyio.CancelScope())
        await asked(database, 1)
        impatient = anyio.CancelScope()
        group.start_soon(call, impatient)
        await anyio.wait_all_tasks_blocked()
        impatient.cancel()
        await anyio.wait_all_tasks_blocked()
        database.open.set()
    assert answers == ["value 1"]


async def test_a_value_that_is_due_is_refreshed_by_one_while_others_have_it(client: Any, database: Database) -> None:
    """The one whom chance takes loads; whoever comes meanwhile has the old value at once."""
    rolls = [0.0]
    flights = SingleFlight(client, early=1e6, roll=lambda: rolls[0])
    assert await flights.get_or_set("key", database.load, ttl=60) == "value 1"
    assert await flights.get_or_set("key", database.load, ttl=60) == "value 1"
    rolls[0] = 0.999
    database.hold()
    async with create_task_group() as group:
        refreshed = list[str]()

        async def refresh() -> None:
            refreshed.append(await flights.get_or_set("key", database.load, ttl=60))

        group.start_soon(refresh)
        await asked(database, 2)
        assert await crowd(flights, database, "key") == ["value 1"] * 50
        database.open.set()
    assert refreshed == ["value 2"]
    rolls[0] = 0.0
    assert await flights.get_or_set("key", database.load, ttl=60) == "value 2"
    assert database.asked == 2


async def test_a_failed_refresh_costs_nothing(client: Any, database: Database) -> None:
    """The value is still fresh: whoever tried to refresh it has it."""
    rolls = [0.0]
    flights = SingleFlight(client, early=1e6, roll=lambda: rolls[0])
    await flights.get_or_set("key", database.load, ttl=60)
    rolls[0], database.error = 0.999, Down()
    assert await flights.get_or_set("key", database.load, ttl=60) == "value 1"
    assert database.asked == 2


def test_when_a_value_is_due() -> None:
    """By XFetch's formula: the dearer to load, the nearer the end and the unluckier the roll, the rather."""
    from switchgear_redis._entries import Entry

    assert SingleFlight(None, roll=lambda: 0.5)._due(Entry("v", 1.0, cost=1.5))  # 1.5 * ln 2 = 1.04
    assert not SingleFlight(None, roll=lambda: 0.5)._due(Entry("v", 1.1, cost=1.5))
    assert not SingleFlight(None, early=0.0, roll=lambda: 0.999999)._due(Entry("v", 0.001, cost=100.0))


async def test_stale_on_error(client: Any, database: Database) -> None:
    """What has run out answers where loading fails, for everybody; where that is not asked for, it does not."""
    flights = SingleFlight(client, stale=60, early=0)
    await flights.get_or_set("key", database.load, ttl=0.05)
    await until(lambda: stale(flights, "key"))
    database.error = Down()
    assert await crowd(flights, database, "key") == ["value 1"] * 50
    assert database.asked == 2
    database.error = None
    assert await crowd(flights, database, "key") == ["value 3"] * 50
    strict = SingleFlight(client, early=0)
    await strict.get_or_set("strict", database.load, ttl=0.05)
    await until(lambda: gone(client, "strict"))
    database.error = Down()
    with pytest.raises(Down):
        await strict.get_or_set("strict", database.load, ttl=60)


async def stale(flights: SingleFlight, key: str) -> bool:
    entry = await flights._entries.read(key)
    return entry is not None and entry.fresh_for <= 0


async def gone(client: Any, key: str) -> bool:
    return not await client.exists(key)


# -- without Redis -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def lost(victim: ValkeyServer, connect: Callable[..., Any], witness: Witness) -> Any:
    """A guarded client whose server has been killed."""
    client = witness.guard(connect(victim, retry=None, socket_timeout=1.0))
    await client.ping()
    await victim.kill()
    return client


async def test_without_redis_a_miss_is_still_loaded_once(lost: Any, database: Database) -> None:
    """The callers of one key that come while it is loaded share what is loaded."""
    flights = SingleFlight(lost)
    database.hold()
    async with create_task_group() as group:
        answers: list[Any] = []

        async def ask() -> None:
            answers.extend(await crowd(flights, database, "key", callers=100))

        group.start_soon(ask)
        await asked(database, 1)
        await anyio.wait_all_tasks_blocked()
        database.open.set()
    assert len(answers) == 100
    assert all(answer.startswith("value") for answer in answers)
    assert database.most == 1


async def test_without_redis_the_database_is_not_stampeded(lost: Any, database: Database) -> None:
    """A thousand callers of two hundred keys: never more than the bulkhead's ten loads at once, and everybody has his
    answer.
    """
    flights = SingleFlight(lost)
    keys = [f"key {number}" for number in range(200)]
    answers = await crowd(flights, database, *keys, callers=5)
    assert len(answers) == 1000
    assert all(isinstance(answer, str) for answer in answers)
    assert database.most == 10


async def test_without_redis_and_without_protection_it_would_be(lost: Any, database: Database) -> None:
    """The same callers, each asking the database when the cache fails, as applications do."""

    async def get_or_load(key: str) -> None:
        try:
            await lost.get(key)
        except redis.ConnectionError:
            await database.load()

    database.hold()
    async with create_task_group() as group:
        for number in range(1000):
            group.start_soon(get_or_load, f"key {number % 200}")
        await asked(database, 1000)
        database.open.set()
    assert database.most == 1000


async def test_whom_the_bulkhead_has_no_place_for_is_refused(lost: Any, database: Database) -> None:
    """At once, with the limit's own error; the database sees as many as it may."""
    flights = SingleFlight(lost, pipeline=Pipeline(Bulkhead(3, queue=2)))
    database.hold()
    async with create_task_group() as group:
        answers: list[Any] = []

        async def ask() -> None:
            answers.extend(await crowd(flights, database, *map(str, range(20)), callers=1))

        group.start_soon(ask)
        await asked(database, 3)
        await anyio.wait_all_tasks_blocked()
        database.open.set()
    refused = [answer for answer in answers if isinstance(answer, LimitExceeded)]
    assert len(answers) == 20
    assert 0 < len(refused) <= 15
    assert database.most == 3


async def test_redis_comes_back(
    victim: ValkeyServer, connect: Callable[..., Any], witness: Witness, database: Database
) -> None:
    """While it is gone every caller is served; when it is back, values are cached again."""
    client = witness.guard(connect(victim, retry=None))
    flights = SingleFlight(client)
    async with witness.gear:
        await flights.get_or_set("key", database.load, ttl=60)
        await victim.kill()
        for _ in range(20):
            assert await flights.get_or_set("key", database.load, ttl=60)
        assert database.asked == 21
        await victim.restart()

        async def cached() -> bool:
            before = database.asked
            await flights.get_or_set("key", database.load, ttl=60)
            return database.asked == before

        await until(cached)


# -- across processes --------------------------------------------------------------------------------------------------


async def test_one_process_at_a_time(server: ValkeyServer, connect: Any, witness: Witness, database: Database) -> None:
    """Of five applications, each with a crowd of its own, one loads; the others have its value."""
    applications = [SingleFlight(witness.guard(connect(server), name=str(n)), lease=30) for n in range(5)]
    answers: list[Any] = []

    async def ask(flights: SingleFlight) -> None:
        answers.extend(await crowd(flights, database, "key", callers=10))

    async with create_task_group() as group:
        for flights in applications:
            group.start_soon(ask, flights)
    assert answers == ["value 1"] * 50
    assert not await connect(server).exists("key:lease")


async def test_while_another_process_loads_what_there_is_will_do(
    server: ValkeyServer, connect: Any, client: Any, database: Database
) -> None:
    """With an old value nobody waits for the lease."""
    flights = SingleFlight(client, stale=60, early=0, lease=30)
    await flights.get_or_set("key", database.load, ttl=0.05)
    await until(lambda: stale(flights, "key"))
    await connect(server).set("key:lease", "somebody else's", px=30_000)
    assert await flights.get_or_set("key", database.load, ttl=60) == "value 1"
    assert database.asked == 1
    assert await connect(server).get("key:lease") == b"somebody else's"


async def test_a_lost_lease_runs_out(server: ValkeyServer, connect: Any, client: Any, database: Database) -> None:
    """A process that died while it loaded keeps the others waiting for as long as its lease, and no longer."""
    await connect(server).set("key:lease", "a dead one's", px=200)
    flights = SingleFlight(client, lease=30)
    with anyio.fail_after(10):
        assert await flights.get_or_set("key", database.load, ttl=60) == "value 1"


async def test_a_cancelled_load_gives_the_lease_back(
    server: ValkeyServer, connect: Any, client: Any, database: Database
) -> None:
    """At once, not when it has run out."""
    flights = SingleFlight(client, lease=30)
    database.hold()
    async with create_task_group() as group:
        group.start_soon(lambda: flights.get_or_set("key", database.load, ttl=60))
        await asked(database, 1)
        assert await connect(server).exists("key:lease")
        group.cancel_scope.cancel()
    assert not await connect(server).exists("key:lease")


async def test_without_redis_there_is_no_lease_to_wait_for(lost: Any, database: Database) -> None:
    """Each process loads for itself."""
    assert await crowd(SingleFlight(lost, lease=30), database, "key", callers=5)
    assert database.most == 1


@pytest.mark.parametrize("wrong", [{"early": -1}, {"stale": float("inf")}, {"lease": -1}])
def test_numbers_that_cannot_be(wrong: dict[str, Any]) -> None:
    """Are told by name."""
    with pytest.raises(ConfigurationError) as error:
        SingleFlight(None, **wrong)
    assert [error.value.key] == list(wrong)
