"""What the tests share: ways to call the API, and a witness of what the breaker makes of them."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import anyio
import openai
import pytest

from switchgear import BreakerConfig, Refused, Settled, Switchgear, Transition, Verdict
from switchgear_openai import BACKEND

#: The SDK leaves the generators of a stream to the garbage collector, guarded or not, and trio says so: a chain of up
#: to eleven, in which ours stands between two of httpx.
ANYIO = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:Async generator '.*:ResourceWarning")]

MODEL = "m"
KEY = "sk-made-up-0123456789"


#: Shared, since each client of its own making would read all certificates of the machine: 0.1 s apiece.
TLS = ssl.create_default_context()


def connection(base_url: str, **options: Any) -> openai.AsyncOpenAI:
    options = {"max_retries": 0, "timeout": 5.0, "http_client": openai.DefaultAsyncHttpx2Client(verify=TLS), **options}
    return openai.AsyncOpenAI(base_url=base_url, api_key=KEY, **options)


class Witness:
    """Hears all that the breakers of one gear say."""

    def __init__(self, breaker: BreakerConfig | None = None) -> None:
        self.gear = Switchgear()
        self.breaker = breaker
        self.settled: list[Settled] = []
        self.refused: list[Refused] = []
        self.moved: list[Transition] = []
        self.gear.subscribe(self)

    def on_settled(self, event: Settled) -> None:
        self.settled.append(event)

    def on_refused(self, event: Refused) -> None:
        self.refused.append(event)

    def on_transition(self, event: Transition) -> None:
        self.moved.append(event)

    def guard(self, client: openai.AsyncOpenAI, name: str = "llm") -> openai.AsyncOpenAI:
        return self.gear.guard(client, BACKEND, name=name, breaker=self.breaker)

    @property
    def verdicts(self) -> list[Verdict]:
        return [event.verdict for event in self.settled]

    def state(self, domain: str = MODEL) -> str:
        return str(self.gear.breaker("llm", domain).state)

    @property
    def main(self) -> str:
        return str(self.gear.breaker("llm").state)

    def count(self, metric: str, **labels: str) -> float:
        return self.gear.service("llm").counts().get((metric, tuple(sorted(labels.items()))), 0)


# -- ways to call ------------------------------------------------------------------------------------------------------

Way = Callable[[openai.AsyncOpenAI], Awaitable[Any]]
TEXT: Any = [{"role": "user", "content": "one two three four five six"}]


async def chat(client: openai.AsyncOpenAI, model: str = MODEL) -> Any:
    answer = await client.chat.completions.create(model=model, messages=TEXT)
    return answer.choices[0].message.content


async def stream(client: openai.AsyncOpenAI, model: str = MODEL) -> Any:
    chunks = await client.chat.completions.create(model=model, messages=TEXT, stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])


async def embed(client: openai.AsyncOpenAI) -> Any:
    return (await client.embeddings.create(model=MODEL, input="text")).data[0].embedding


async def raw(client: openai.AsyncOpenAI) -> Any:
    answer = await client.chat.completions.with_raw_response.create(model=MODEL, messages=TEXT)
    return answer.parse().choices[0].message.content


async def streaming_response(client: openai.AsyncOpenAI) -> Any:
    async with client.chat.completions.with_streaming_response.create(model=MODEL, messages=TEXT) as answer:
        return (await answer.parse()).choices[0].message.content


async def raw_stream(client: openai.AsyncOpenAI) -> Any:
    answer = await client.chat.completions.with_raw_response.create(model=MODEL, messages=TEXT, stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in answer.parse()])


async def copied(client: openai.AsyncOpenAI) -> Any:
    return await chat(client.with_options(default_headers={"x-test": "1"}))


WAYS: dict[str, Way] = {
    "chat": chat,
    "stream": stream,
    "embed": embed,
    "raw": raw,
    "streaming_response": streaming_response,
    "raw_stream": raw_stream,
    "copied": copied,
}


class Outcome(NamedTuple):
    """What a caller sees: a result, or an exception with its cause."""

    result: Any = None
    raised: str = ""
    cause: str = ""
    status: int | None = None
    code: str | None = None


async def outcome(call: Awaitable[Any]) -> Outcome:
    try:
        return Outcome(result=await call)
    except Exception as exc:  # noqa: BLE001 - whatever the caller would see
        return Outcome(
            raised=f"{type(exc).__module__}.{type(exc).__name__}: {exc}",
            cause=f"{type(exc.__cause__).__name__}: {exc.__cause__}",
            status=getattr(exc, "status_code", None),
            code=getattr(exc, "code", None),
        )


async def until(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Waits for something that happens by itself; TimeoutError when it does not."""
    with anyio.fail_after(seconds):
        while not condition():
            await anyio.sleep(0.005)
