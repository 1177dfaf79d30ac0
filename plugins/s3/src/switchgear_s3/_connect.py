"""Settings of an S3 service, and a client made from them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Literal

from switchgear.spi import ConfigurationError

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client


@dataclass(frozen=True, kw_only=True)
class S3Settings:
    """The keys of `[services.NAME.settings]`. Names are the SDK's own; what is left out, the SDK takes from its
    environment variables, files and instance roles."""

    endpoint_url: str | None = None  # of an S3-compatible store; AWS without it
    region_name: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: str | None = field(default=None, repr=False)
    aws_session_token: str | None = field(default=None, repr=False)
    profile_name: str | None = None
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    max_pool_connections: int = 50  # botocore's 10 queue the parts of a single transfer
    connect_timeout: float = 3.0  # seconds; botocore's 60 are longer than anyone waits
    read_timeout: float = 20.0  # seconds without a byte
    min_upload_rate: float = 65_536.0  # bytes/s; a slower upload is cut off, read_timeout seconds later
    # Further keyword arguments of session.client() ("verify"), and of botocore's Config ("proxies", "s3"). They go
    # before all others.
    options: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    config: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    def __post_init__(self) -> None:
        for name in ("max_pool_connections", "connect_timeout", "read_timeout", "min_upload_rate"):
            if not 0 < getattr(self, name) < inf:
                raise ConfigurationError(f"{getattr(self, name)!r} is no limit. Give a number above 0.", key=name)


@asynccontextmanager
async def connect(settings: S3Settings) -> AsyncGenerator[S3Client]:
    """An aioboto3 client that tries everything once and waits for no server without end; closed on leaving.

    Raises ConfigurationError for settings that the SDK refuses, and where asyncio does not run.
    """
    _check_event_loop()
    import aioboto3
    from aiobotocore.config import AioConfig
    from botocore.exceptions import BotoCoreError

    from switchgear_s3._transport import transport

    own: dict[str, Any] = {
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "connect_timeout": settings.connect_timeout,
        "read_timeout": settings.read_timeout,
        "max_pool_connections": settings.max_pool_connections,
        "http_session_cls": transport(settings.read_timeout, settings.min_upload_rate),
    }
    styled = {"addressing_style": settings.addressing_style, **settings.config.get("s3", {})}
    async with AsyncExitStack() as stack:
        try:
            own |= {**settings.config, "s3": styled}
            config = AioConfig(**own)
            session: Any = aioboto3.Session(profile_name=settings.profile_name, region_name=settings.region_name)
            options: dict[str, Any] = {
                "endpoint_url": settings.endpoint_url,
                "aws_access_key_id": settings.aws_access_key_id,
                "aws_secret_access_key": settings.aws_secret_access_key,
                "aws_session_token": settings.aws_session_token,
                "config": config,
                **settings.options,
            }
            client: S3Client = await stack.enter_async_context(session.client("s3", **options))
        except (BotoCoreError, TypeError, ValueError) as exc:
            raise ConfigurationError(f"The SDK makes no S3 client of these settings: {exc}") from exc
        yield client


def _check_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "aioboto3 runs on asyncio only, and this is another event loop. Run the application on asyncio "
            '(anyio.run(main, backend="asyncio")), or leave its S3 services out.'
        ) from None
