"""The shop: an application as any other, on four guarded clients.

Where it can do without a backend it catches the client's own error, of which a refusal is one, and falls back. What it
cannot offer at all it does not begin: the levels say so, and one request sees the same ones from beginning to end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from openai import OpenAIError
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from switchgear import (
    Bulkhead,
    CallNotPermitted,
    CapabilityNotOffered,
    Criticality,
    Level,
    Pipeline,
    Switchgear,
    criticality,
)
from switchgear_redis import SingleFlight

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from redis.asyncio import Redis
    from sqlalchemy.ext.asyncio import AsyncEngine

PRODUCTS = 40
PHOTOS = 4  # that a customer sends
BUCKET = "pictures"
MODEL = "stand-in-small"
_PICTURE = 4_000  # bytes
_FRESH = 0.4  # s, by the cache's own time, that a page or what was found is good without a look at the database

#: What can come of a backend that fails: the clients' own errors, asyncpg's where it cannot connect (OSError), and a
#: refusal of our own bulkhead.
_UNAVAILABLE = (CallNotPermitted, RedisError, BotoCoreError, ClientError, OpenAIError, SQLAlchemyError, OSError)

_TABLES = (
    "DROP TABLE IF EXISTS products, orders",
    "CREATE TABLE products (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL, stock INTEGER NOT NULL)",
    "CREATE TABLE orders (product INTEGER NOT NULL)",
)
_ADD = text("INSERT INTO products (id, name, stock) VALUES (:id, :name, 1000000)")
_FIND = text("SELECT name, stock, pg_sleep(:cost) FROM products WHERE id = :id")
_TAKE = text("UPDATE products SET stock = stock - 1 WHERE id = :id")
_ORDER = text("INSERT INTO orders (product) VALUES (:id)")
_SEARCH = text("SELECT id FROM products WHERE name LIKE :pattern")
_REPORT = text("SELECT product, count(*) FROM orders GROUP BY product")


class Answer(Enum):
    """What a customer got."""

    FULL = "full"
    FALLBACK = "fallback"  #: without something that the shop can do without
    NONE = "none"


class Shop:
    """Serves requests. Each capability is a method of its name, asked about a product."""

    def __init__(self, gear: Switchgear) -> None:
        self._cache: Redis = gear.client("cache")
        self._files: Any = gear.client("files")
        self._llm: AsyncOpenAI = gear.client("llm")
        self._db: AsyncEngine = gear.client("db")
        self._replica: AsyncEngine = gear.client("replica")
        self._gear = gear
        # Pages take two connections to the database at most, whatever the rush; the others are for those who buy.
        few = Pipeline(Bulkhead(limit=2, queue=20, max_wait=2.0), name="pages")
        self._pages = SingleFlight(self._cache, stale=3600, pipeline=few)
        self._finds = SingleFlight(self._cache)
        self.page_cost = 0.0  #: what the database works for a page, in its own seconds
        self.capabilities: Mapping[str, Callable[[int], Awaitable[Answer]]] = {
            "checkout": gear.requires("checkout")(self._checkout),
            "catalogue": gear.requires("catalogue")(self._catalogue),
            "images": gear.requires("images")(self._images),
            "photos": gear.requires("photos")(self._photos),
            "search": gear.requires("search")(self._search),
            "assistant": gear.requires("assistant", at_least=Level.REDUCED, otherwise=self._answers)(self._assistant),
            "reports": gear.requires("reports", at_least=Level.FALLBACK)(self._reports),
        }

    async def open(self) -> None:
        """Fills the shelves."""
        async with self._db.begin() as connection:
            for table in _TABLES:
                await connection.execute(text(table))
            await connection.execute(_ADD, [{"id": number, "name": f"Lamp {number}"} for number in range(PRODUCTS)])
        if BUCKET not in {bucket["Name"] for bucket in (await self._files.list_buckets())["Buckets"]}:
            await self._files.create_bucket(Bucket=BUCKET)
        for product in range(PRODUCTS):
            await self._paint(f"{product}.png")
        await self._cache.flushdb()
        for product in range(PRODUCTS):
            await self._catalogue(product)

    async def serve(self, capability: str, product: int) -> Answer:
        """The answer to one request; NONE where there is none to be had."""
        try:
            with self._gear.degradation.pin():
                return await self.capabilities[capability](product)
        except (CapabilityNotOffered, *_UNAVAILABLE):
            return Answer.NONE

    async def _checkout(self, product: int) -> Answer:
        """One sold: a transaction, and one more for the list of what sells best."""
        async with self._db.begin() as connection:
            await connection.execute(_TAKE, {"id": product})
            await connection.execute(_ORDER, {"id": product})
        try:
            await self._cache.zincrby("bestsellers", 1, str(product))
        except RedisError:
            return Answer.FALLBACK
        return Answer.FULL

    async def _catalogue(self, product: int) -> Answer:
        """A product's page: from the cache, where it is old from the database, where that fails, or is busy with those
        who have nothing else, the old one."""
        with criticality(Criticality.DEGRADED):
            await self._pages.get_or_set(f"page:{product}", partial(self._page, product), ttl=_FRESH)
        return Answer.FULL

    async def _page(self, product: int) -> str:
        async with self._db.connect() as connection:
            row = (await connection.execute(_FIND, {"id": product, "cost": self.page_cost})).one()
        return f"{row.name}: {row.stock} in stock"

    async def _images(self, product: int) -> Answer:
        """A product's picture."""
        picture = await self._files.get_object(Bucket=BUCKET, Key=f"{product}.png")
        await picture["Body"].read()
        return Answer.FULL

    async def _photos(self, product: int) -> Answer:
        """A customer's photos of it, all sent at once."""
        await asyncio.gather(*(self._paint(f"{product}/{photo}.png") for photo in range(PHOTOS)))
        return Answer.FULL

    async def _paint(self, key: str) -> None:
        await self._files.put_object(Bucket=BUCKET, Key=key, Body=b"." * _PICTURE)

    async def _search(self, product: int) -> Answer:
        """Products that are called so: what was found a moment ago is good for the next who asks."""
        pattern = f"%{product}%"
        await self._finds.get_or_set(f"search:{pattern}", partial(self._find, pattern), ttl=_FRESH)
        return Answer.FULL

    async def _find(self, pattern: str) -> list[int]:
        async with self._replica.connect() as connection:
            return [*(await connection.execute(_SEARCH, {"pattern": pattern})).scalars()]

    async def _assistant(self, product: int) -> Answer:
        """A question, answered by the model."""
        question = f"Which bulb does lamp {product} take?"
        try:
            async for _ in await self._llm.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": question}], stream=True
            ):
                pass
        except OpenAIError:
            return await self._answers(product)
        return Answer.FULL

    async def _answers(self, product: int) -> Answer:
        """What is often asked, with its answers: a page that is always there."""
        return Answer.FALLBACK

    async def _reports(self, _product: int) -> Answer:
        """What was sold, for the owners; it may as well be asked for tonight."""
        with criticality(Criticality.BULK):
            async with self._replica.connect() as connection:
                (await connection.execute(_REPORT)).all()
        return Answer.FULL
