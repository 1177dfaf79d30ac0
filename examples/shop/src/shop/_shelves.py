"""What is sold: in the database, and what was asked for lately in the cache."""

# redis-py is annotated in part.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from switchgear import Switchgear

_SALES = "sales"
_TABLE = "CREATE TABLE IF NOT EXISTS products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, stock INTEGER NOT NULL)"
_FILL = "INSERT INTO products VALUES (:id, :name, 100) ON CONFLICT DO NOTHING"
_FIND = text("SELECT name FROM products WHERE id = :id")
_TAKE = text("UPDATE products SET stock = stock - 1 WHERE id = :id AND stock > 0")


class Shelves:
    """The clients are redis' and SQLAlchemy's own, and so are their errors: a refusal is one of them."""

    def __init__(self, gear: Switchgear) -> None:
        self._gear = gear

    @property
    def _cache(self) -> Redis:
        client: Redis = self._gear.client("cache")
        return client

    @property
    def _db(self) -> AsyncEngine:
        engine: AsyncEngine = self._gear.client("db")
        return engine

    async def fill(self) -> None:
        """Put ten lamps there, if there are none."""
        async with self._db.begin() as connection:
            await connection.execute(text(_TABLE))
            await connection.execute(text(_FILL), [{"id": number, "name": f"Lamp {number}"} for number in range(10)])

    async def name_of(self, product: int) -> str | None:
        """A product's name, from the cache or, where that has it not or is not there, from the database."""
        key = f"product:{product}"
        try:
            if (cached := await self._cache.get(key)) is not None:
                return str(cached)
        except RedisError:
            return await self._look_up(product)
        name = await self._look_up(product)
        if name is not None:
            await self._cache.set(key, name, ex=60)
        return name

    async def _look_up(self, product: int) -> str | None:
        async with self._db.connect() as connection:
            return (await connection.execute(_FIND, {"id": product})).scalar_one_or_none()

    async def take(self, product: int) -> bool:
        """Sell one. False: there is none."""
        async with self._db.begin() as connection:
            if not (await connection.execute(_TAKE, {"id": product})).rowcount:
                return False
        with suppress(RedisError):  # one sale that the list of what sells best does not know of
            await self._cache.zincrby(_SALES, 1, str(product))
        return True

    async def bestsellers(self) -> list[int]:
        """The products that sell best; none are known while the cache does not answer."""
        try:
            found: list[Any] = await self._cache.zrevrange(_SALES, 0, 2)
        except RedisError:
            return []
        return [int(product) for product in found]
