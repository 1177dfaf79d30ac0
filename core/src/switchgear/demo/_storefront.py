"""The traffic: a small shop, open day and night.

It is written as any application is. Where it can do without a backend it catches the client's own error, of which a
refusal is one, and falls back; where it cannot, the request fails.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
from botocore.exceptions import BotoCoreError, ClientError
from openai import OpenAIError
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from switchgear._gear import Switchgear
from switchgear._redact import describe
from switchgear.demo._ledger import Answer, Ledger
from switchgear.testing import ServerUnavailable

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionMessageParam
    from redis.asyncio import Redis
    from sqlalchemy.ext.asyncio import AsyncEngine

#: Requests a second. They come when they come, however long the last ones take.
_RATE = 40.0

_PRODUCTS = 50
_PICTURE = 8_000  # bytes
_BUCKET = "pictures"
_MODEL = "stand-in-small"
_FRESH = 2  # s that the cache keeps a page
_REPAINTED = 0.2  # of the pictures that are asked for
_STREAMED = 0.7  # of the questions

#: What can come of a backend that fails: the clients' own errors, and asyncpg's where it cannot connect (OSError).
_UNAVAILABLE = (RedisError, BotoCoreError, ClientError, OpenAIError, SQLAlchemyError, OSError)

_TABLES = (
    "CREATE TABLE products (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL, stock INTEGER NOT NULL)",
    "CREATE TABLE orders (product INTEGER NOT NULL)",
)
_FIND = text("SELECT name, stock FROM products WHERE id = :id")
_TAKE = text("UPDATE products SET stock = stock - 1 WHERE id = :id")
_ORDER = text("INSERT INTO orders (product) VALUES (:id)")
_ADD = text("INSERT INTO products (id, name, stock) VALUES (:id, :name, :stock)")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request, named as the capability that it asks for: how often it comes, and which services it cannot
    do without.
    """

    name: str
    weight: int
    requires: frozenset[str]
    serve: Callable[[int, float], Awaitable[Answer]]  #: (product, a number in 0..1 to decide by)


class Storefront:
    """Serves requests, and writes into the ledger what became of each."""

    def __init__(self, gear: Switchgear, rng: random.Random) -> None:
        self._cache: Redis = gear.client("cache")
        self._files: Any = gear.client("files")
        self._llm: AsyncOpenAI = gear.client("llm")
        self._db: AsyncEngine = gear.client("db")
        self._rng = rng
        self.kinds: Sequence[Kind] = (
            Kind("browse", 10, frozenset({"db"}), self._browse),
            Kind("picture", 5, frozenset({"files"}), self._picture),
            Kind("ask", 6, frozenset({"llm"}), self._ask),
            Kind("order", 4, frozenset({"db"}), self._order),
        )

    async def open(self) -> None:
        """Fills the shelves. Raises ServerUnavailable where that cannot be done."""
        try:
            await self._fill()
        except _UNAVAILABLE as error:
            raise ServerUnavailable(
                f"A server that has just been started does not serve: {': '.join(describe(error))}. "
                "If this machine is very busy, try again when it is less so."
            ) from error

    async def _fill(self) -> None:
        async with self._db.begin() as connection:
            for table in _TABLES:
                await connection.execute(text(table))
            products = [{"id": number, "name": f"Lamp {number}", "stock": 1_000_000} for number in range(_PRODUCTS)]
            await connection.execute(_ADD, products)
        await self._files.create_bucket(Bucket=_BUCKET)
        for product in range(_PRODUCTS):
            await self._paint(product)

    async def run(self, ledger: Ledger) -> None:
        """Serves until it is cancelled. Which requests come, and when, is the random numbers' doing alone."""
        weights = [kind.weight for kind in self.kinds]
        due = anyio.current_time()
        async with anyio.create_task_group() as requests:
            while True:
                due += self._rng.expovariate(_RATE)
                [kind] = self._rng.choices(self.kinds, weights)
                product = int(_PRODUCTS * self._rng.random() ** 2)  # some are in greater demand
                dice = self._rng.random()
                await anyio.sleep_until(due)
                requests.start_soon(self._serve, ledger, kind, product, dice)

    @staticmethod
    async def _serve(ledger: Ledger, kind: Kind, product: int, dice: float) -> None:
        started = ledger.clock()
        try:
            answer = await kind.serve(product, dice)
        except _UNAVAILABLE:
            answer = Answer.FAILED
        ledger.answered(kind.name, kind.requires, started, answer)

    async def _browse(self, product: int, _dice: float) -> Answer:
        """A product's page: from the cache, else from the database."""
        key = f"product:{product}"
        answer = Answer.FULL
        try:
            if await self._cache.get(key) is not None:
                return answer
        except RedisError:
            answer = Answer.FALLBACK
        async with self._db.connect() as connection:
            name, stock = (await connection.execute(_FIND, {"id": product})).one()
        if answer is Answer.FULL:
            answer = await self._remember(key, f"{name}: {stock} in stock")
        return answer

    async def _remember(self, key: str, page: str) -> Answer:
        try:
            await self._cache.set(key, page, ex=_FRESH)
        except RedisError:
            return Answer.FALLBACK
        return Answer.FULL

    async def _picture(self, product: int, dice: float) -> Answer:
        """A product's picture; now and then it is painted anew."""
        if dice < _REPAINTED:
            await self._paint(product)
        else:
            picture = await self._files.get_object(Bucket=_BUCKET, Key=f"{product}.png")
            await picture["Body"].read()
        return Answer.FULL

    async def _paint(self, product: int) -> None:
        await self._files.put_object(Bucket=_BUCKET, Key=f"{product}.png", Body=product.to_bytes() * _PICTURE)

    async def _ask(self, product: int, dice: float) -> Answer:
        """A question to the assistant, whose answer is streamed to those who can wait for it word by word."""
        question = f"Which bulb does lamp {product} take, and does it come with one?"
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": question}]
        chat = self._llm.chat.completions
        if dice < _STREAMED:
            async for _ in await chat.create(model=_MODEL, messages=messages, stream=True):
                pass
        else:
            await chat.create(model=_MODEL, messages=messages)
        return Answer.FULL

    async def _order(self, product: int, _dice: float) -> Answer:
        """One of them sold: a transaction, after which the cached page is out of date."""
        async with self._db.begin() as connection:
            await connection.execute(_TAKE, {"id": product})
            await connection.execute(_ORDER, {"id": product})
        try:
            await self._cache.delete(f"product:{product}")
        except RedisError:
            return Answer.FALLBACK  # for two seconds its page may say that there is one more
        return Answer.FULL
