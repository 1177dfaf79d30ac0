"""A client of our own: from settings, with finite timeouts and no retries."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from switchgear.spi import ClientLimits, ConfigurationError

if TYPE_CHECKING:
    from openai import AsyncOpenAI


@dataclass(frozen=True, kw_only=True)
class OpenAISettings:
    """The keys of `[services.NAME.settings]` for the openai plugin. What is not given, the SDK takes from its own
    environment variables (OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_ORG_ID, OPENAI_PROJECT_ID).
    """

    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = field(default=None, repr=False)
    organization: str | None = None
    project: str | None = None
    #: Seconds of silence: until an answer begins, and between two pieces of it. The SDK's own default is 600.
    timeout: float = 120.0
    #: Seconds until a connection stands.
    connect_timeout: float = 5.0
    #: Further keyword arguments of AsyncOpenAI ("default_headers"). They go before all others.
    options: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


@asynccontextmanager
async def connect(settings: OpenAISettings) -> AsyncGenerator[AsyncOpenAI]:
    """A client without retries of its own. Raises ConfigurationError where the SDK misses a setting."""
    import openai

    options: dict[str, Any] = {
        "api_key": settings.api_key,
        "base_url": settings.base_url,
        "organization": settings.organization,
        "project": settings.project,
        "timeout": openai.Timeout(settings.timeout, connect=settings.connect_timeout),
        "max_retries": 0,
        **settings.options,
    }
    try:
        client = openai.AsyncOpenAI(**options)
    except openai.OpenAIError as error:
        problem = f"{error} (A server that wants no key still needs some text here.)"
        raise ConfigurationError(problem, key="api_key") from error
    except TypeError as error:
        raise ConfigurationError(f"The SDK does not know one of these: {error}.", key="options") from None
    async with client:
        yield client


async def probe(client: AsyncOpenAI, domain: str) -> bool:
    """Whether the API answers, by the list of its models. Whether one model does, only a paid generation could tell."""
    if domain:
        return False
    await client.models.list()
    return True


async def permissions(client: AsyncOpenAI, _domains: Sequence[str]) -> Mapping[str, str]:
    """Whether the key may list models, as `probe` does; keys with restricted permissions may not."""
    import openai

    try:
        await client.models.list()
    except openai.PermissionDeniedError as exc:
        return {"list models": str(exc)}
    return {"list models": ""}


def limits(client: AsyncOpenAI, settings: OpenAISettings) -> ClientLimits:
    """As the client was told; of its connections it tells nothing."""
    return ClientLimits(timeout=settings.timeout, connect_timeout=settings.connect_timeout, retries=client.max_retries)


async def identify(client: AsyncOpenAI) -> str:
    """What the server calls itself. The API names no version of its own, only that of its interface."""
    answer = await client.models.with_raw_response.list()
    interface = answer.headers.get("openai-version")
    if interface is not None:
        return f"OpenAI API {interface}"
    server = answer.headers.get("server", "")
    return server.replace("/", " ") or f"OpenAI-compatible API at {client.base_url.host}"
