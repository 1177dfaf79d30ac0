"""Asking an ASGI application, in this process: whole answers, and streams chunk by chunk."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import anyio

from switchgear import Criticality, State, Switchgear
from switchgear.asgi import create_app
from tests.backends import GET, Client, backend_of, until
from tests.support import DOWN, Said

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]

TOKEN = "a-token-for-operators"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def scope_of(method: str, path: str, headers: Mapping[str, str], **changes: Any) -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in {"host": "127.0.0.1:9464", **headers}.items()
        ],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 9464),
        "state": {},
        **changes,
    }


async def ask(
    app: App,
    path: str,
    *,
    method: str = "GET",
    body: Any = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
    **scope: Any,
) -> Reply:
    """One request and its whole answer. `body` is sent as JSON."""
    given = dict(headers or {})
    if body is not None:
        content = json.dumps(body).encode()
        given.setdefault("content-type", "application/json")
    if token is not None:
        given.setdefault("authorization", f"Bearer {token}")
    messages: list[Message] = [{"type": "http.request", "body": content or b"", "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    with anyio.fail_after(20):
        await app(scope_of(method, path, given, **scope), receive, send)
    headers_sent = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], headers_sent, b"".join(message.get("body", b"") for message in sent[1:]))


@dataclass
class Subscriber:
    """A client of a stream, whose frames come one by one; `stalled` takes nothing more until it is cleared."""

    chunks: list[bytes] = field(default_factory=list[bytes])
    stalled: bool = False
    ended: bool = False
    heard: anyio.Event = field(default_factory=anyio.Event)

    def frames(self, event: str | None = None) -> list[Any]:
        """The documents received, of one kind of event."""
        found: list[Any] = []
        for frame in b"".join(self.chunks).decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in frame.splitlines() if ": " in line)
            if "data" in fields and event in {None, fields.get("event")}:
                found.append(json.loads(fields["data"]))
        return found

    async def until(self, condition: Callable[[], object]) -> None:
        with anyio.fail_after(20):
            while not condition():
                await self.heard.wait()


@asynccontextmanager
async def subscribed(
    app: App, *, headers: Mapping[str, str] | None = None, path: str = "/events"
) -> AsyncGenerator[Subscriber]:
    """A client of /events, who hangs up at the end."""
    subscriber = Subscriber()

    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Message) -> None:
        if subscriber.stalled:
            await anyio.sleep_forever()
        subscriber.chunks.append(message.get("body", b""))
        heard, subscriber.heard = subscriber.heard, anyio.Event()
        heard.set()

    async def run() -> None:
        await app(scope_of("GET", path, headers or {}), receive, send)
        subscriber.ended = True
        subscriber.heard.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        yield subscriber
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def shop(**options: Any) -> AsyncGenerator[Shop]:
    """An entered gear with a database, which the checkout requires, a cache that it is only better with, and an
    archive that nothing but a capability of little importance requires; and its endpoints.
    """
    gear = Switchgear()
    clients = {name: Client(name) for name in ("db", "cache", "archive")}
    for name, client in clients.items():
        gear.guard(client, backend_of(name=f"toy-{name}"), name=name)
    gear.capability("checkout", requires=["db"], prefers={"cache": 0.3})
    gear.capability("history", requires=["archive"], criticality=Criticality.BEST_EFFORT)
    async with gear:
        await until(lambda: gear.heartbeat is not None)
        yield Shop(gear, create_app(gear, **options), clients)


@dataclass(frozen=True)
class Shop:
    gear: Switchgear
    app: App
    clients: Mapping[str, Client]

    def state(self, name: str) -> State:
        """Of the main breaker."""
        return self.gear.breaker(name).state

    def break_down(self, name: str) -> None:
        """Open its breaker, by calls that fail."""
        for _ in range(4):
            with suppress(Said), self.gear.service(name).admit(GET):
                raise DOWN
        assert self.gear.service(name).group.branch("").state is State.OPEN
        self.gear.degradation.look()

    def mend(self, name: str) -> None:
        """Close its breaker, and let calls show that it serves."""
        self.gear.breaker(name).reset("it is back")
        for _ in range(200):
            self.clients[name].get()
        self.gear.degradation.look()
