"""A backend as a plugin would have one, small enough to see through: its check answers as it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from switchgear import BreakerConfig, Service
from switchgear.spi import Backend, HealthConfig, Metric, Operation
from tests.support import SMALL, as_said

GET = Operation(name="toy.get")


@dataclass(eq=False)
class Client:
    """Keeps a list of what happened to it."""

    name: str = "client"
    happened: list[str] = field(default_factory=list[str])
    service: Service | None = None
    #: What its check does.
    answer: Callable[[str], Any] = field(default=lambda _domain: True)

    def get(self, domain: str = "") -> None:
        assert self.service is not None
        with self.service.admit(GET, domain):
            self.happened.append(f"get {domain}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    name: str = "client"


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Client]:
    client = Client(settings.name)
    client.happened.append("connected")
    yield client
    client.happened.append("closed")


def guard(client: Client, service: Service) -> Client:
    client.service = service
    return client


async def check(client: Client, domain: str) -> bool:
    """The check uses the guarded client, as a plugin's does."""
    client.happened.append(f"check {domain}")
    client.get(domain)
    answer = client.answer(domain)
    if isinstance(answer, Exception):
        raise answer
    if isinstance(answer, anyio.Event):
        await answer.wait()
        return True
    return bool(answer)


def backend_of(
    recommended: BreakerConfig = SMALL,
    *,
    probe: bool = True,
    connect: Callable[[Settings], AbstractAsyncContextManager[Client]] = connect,
    name: str = "toy",
    saturation: Callable[[Client], Mapping[str, float]] | None = None,
    health: HealthConfig | None = None,
) -> Backend[Client, Settings]:
    return Backend(
        name=name,
        settings=Settings,
        connect=connect,
        guard=guard,
        classify=as_said,
        probe=check if probe else None,
        metrics=(Metric(name="hits", kind="counter", help="Answers from it."),),
        saturation=saturation,
        health=health or HealthConfig(),
        recommended=recommended,
    )


async def until(condition: Callable[[], object]) -> None:
    """Comes back when the condition holds; TimeoutError when it never does."""
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.001)
