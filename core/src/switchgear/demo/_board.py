"""Four servers, and a gear that guards a client of each: configured by a file, as a user would."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from switchgear._gear import Switchgear
from switchgear.demo._servers import Servers, SqliteFile, start_servers
from switchgear.testing import FaultProxy

#: The breakers are laid over what the plugins recommend: since a minute is to show it all, windows and waits are short.
_CONFIGURATION = """\
[services.cache]
plugin = "redis"
settings = {{ url = "{servers.cache.url}", socket_timeout = 0.5 }}
breaker.window = {{ seconds = 2 }}
{breaker}
[services.files]
plugin = "s3"
settings.endpoint_url = "http://{proxy.host}:{proxy.port}"
settings.region_name = "us-east-1"
settings.aws_access_key_id = "{servers.files.access_key}"
settings.aws_secret_access_key = "{servers.files.secret_key}"
settings.read_timeout = 5
breaker.slow_call_duration_threshold = {{ read = 0.75, write = 0.75 }}
breaker.window = {{ seconds = 2 }}
{breaker}
[services.llm]
plugin = "openai"
settings = {{ base_url = "{servers.llm.base_url}", api_key = "any", timeout = 5 }}
breaker.window = {{ seconds = 2 }}
{breaker}
[services.db]
plugin = "db"
settings.url = "{db_url}"
settings.connect_timeout = 2
settings.statement_timeout = 2
settings.pool_timeout = 1
settings.max_overflow = 25  # a pool that runs dry makes no calls to judge by
breaker.slow_call_duration_threshold = {{ read = 0.75, write = 0.75 }}
breaker.window = {{ seconds = 1 }}
{breaker}
# What the shop offers, and what it takes.
[capabilities.browse]
requires = ["db"]
prefers = {{ cache = 0.2 }}
[capabilities.order]
requires = ["db"]
prefers = {{ cache = 0.1 }}
[capabilities.picture]
requires = ["files"]
criticality = "DEGRADED"
[capabilities.ask]
requires = ["llm"]
criticality = "BEST_EFFORT"
"""

_BREAKER = """\
breaker.minimum_number_of_calls = 5
breaker.wait_duration_in_open = { initial = 0.5, max = 1, jitter = 0 }
breaker.ramp = { duration = 1 }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The servers, the way to one of them that can be made slow, and the gear."""

    servers: Servers
    proxy: FaultProxy
    gear: Switchgear
    configuration: str  #: of the gear, as TOML


@asynccontextmanager
async def open_board(say: Callable[[str], None]) -> AsyncGenerator[Board]:
    """Starts the servers and connects their guarded clients; ends all of them on leaving.

    Raises ServerUnavailable for a server that cannot be had, and what Switchgear.from_toml raises.
    """
    _bypass_proxies()
    async with AsyncExitStack() as stack:
        servers = await start_servers(stack, say)
        proxy = await stack.enter_async_context(FaultProxy("127.0.0.1", servers.files.port))
        configuration = _configuration(servers, proxy)
        file = Path(stack.enter_context(TemporaryDirectory(prefix="switchgear-demo-")), "switchgear.toml")
        file.write_text(configuration)  # noqa: ASYNC240  some microseconds
        gear = await stack.enter_async_context(Switchgear.from_toml(file))
        yield Board(servers=servers, proxy=proxy, gear=gear, configuration=configuration)


def _configuration(servers: Servers, proxy: FaultProxy) -> str:
    db = servers.db
    db_url = f"sqlite+aiosqlite:///{db.path}" if isinstance(db, SqliteFile) else db.url("asyncpg")
    return _CONFIGURATION.format(servers=servers, proxy=proxy, db_url=db_url, breaker=_BREAKER)


def _bypass_proxies() -> None:
    """Clients of HTTP go by the environment: one that names a company's proxy would lead them away from here."""
    outside = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    os.environ["no_proxy"] = ",".join(filter(None, (outside, "127.0.0.1")))
