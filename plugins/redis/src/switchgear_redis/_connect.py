"""Connecting a client from settings."""

# redis-py is annotated in part.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from switchgear.spi import ConfigurationError
from switchgear_redis._settings import RedisSettings


@asynccontextmanager
async def connect(settings: RedisSettings) -> AsyncGenerator[Redis]:
    """A client without retries of its own and with finite timeouts; it opens connections as commands need them.

    Raises ConfigurationError for a URL that is none, and where asyncio does not run.
    """
    _check_event_loop()
    client: Redis = Redis(connection_pool=pool_of(settings))
    try:
        yield client
    finally:
        await client.aclose(close_connection_pool=True)


def pool_of(settings: RedisSettings) -> BlockingConnectionPool:
    """The pool of a client, which opens nothing by itself. Raises ConfigurationError for what redis-py refuses."""
    given: dict[str, Any] = {key: value for key, value in asdict(settings).items() if value is not None}
    url, timeout, more = given.pop("url"), given.pop("pool_timeout"), given.pop("options")
    options = {"retry": Retry(NoBackoff(), 0), **given, **more}
    try:
        # One that blocks: in a burst of 51 commands the last one is served a fraction of a millisecond later. The plain
        # pool would turn it away at once, and a command without a limit would wait for as long as a hung server hangs.
        pool = BlockingConnectionPool.from_url(url, timeout=timeout, **options)
    except ValueError as error:
        # The message names what is wrong and not the URL, which may hold a password.
        raise ConfigurationError(f"{error} Write redis://host:6379/0, rediss:// or unix://.", key="url") from None
    try:
        pool.connection_class(**pool.connection_kwargs)  # which connects nothing, but takes the arguments
    except TypeError as error:
        raise ConfigurationError(f"redis-py does not know one of these: {error}.", key="options") from None
    return pool


def _check_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "redis.asyncio runs on asyncio only, and this is another event loop. Run the application on asyncio "
            '(anyio.run(main, backend="asyncio")), or leave its Redis services out.'
        ) from None
