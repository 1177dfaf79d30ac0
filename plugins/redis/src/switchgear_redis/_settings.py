"""The keys of `[services.NAME.settings]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class RedisSettings:
    """How to connect. What the URL says of a key (its path, user, password, `?db=...`) goes before the key. Times are
    in seconds."""

    #: redis://host:6379/0, rediss:// for TLS, unix:///path/to/socket. May hold a password.
    url: str = field(repr=False)
    db: int | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    #: Connections at most. A command holds one for its round trip, so 50 carry tens of thousands a second.
    max_connections: int = 50
    #: How long a command waits for one of them. Long enough for a burst; too short to look like a slow server.
    pool_timeout: float = 0.25
    #: How long a reply may take: four times what is slow. A command that blocks must ask for less.
    socket_timeout: float = 2.0
    #: A lost SYN is sent again after 1 s; this is enough for one of them.
    socket_connect_timeout: float = 1.5
    #: A connection that was idle for so long is asked first whether it still works: firewalls drop idle ones silently.
    health_check_interval: float = 30.0
    client_name: str | None = None
    protocol: Literal[2, 3] | None = None
    decode_responses: bool = False
    #: Further keyword arguments of redis-py's connections ("ssl_ca_certs", "socket_keepalive"). They go before all but
    #: the URL.
    options: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
