"""A simulated backend: a server that has outages, and a guarded client as a plugin would have one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import anyio

from switchgear._circuit import CircuitBreaker
from switchgear._errors import CallNotPermitted, LimitExceeded
from switchgear._permit import Permit
from switchgear._service import Service
from switchgear._spec import Backend, Operation
from switchgear._verdict import Verdict
from switchgear.testing.simulation._ledger import Ledger
from switchgear.testing.simulation._plan import Kind, Outage

GET = Operation(name="sim.get", klass="read", idempotent=True)
SET = Operation(name="sim.set", klass="write")
TAIL = Operation(name="sim.tail", klass="stream", idempotent=True)


class Told(Exception):
    """The server's answer is an error, which says how it is to be judged."""

    def __init__(self, text: str, verdict: Verdict) -> None:
        super().__init__(text)
        self.verdict = verdict


def classify(exc: BaseException) -> Verdict:
    """As the server has told."""
    return exc.verdict if isinstance(exc, Told) else Verdict.FAILURE


class Server:
    """Serves in about `latency` seconds, and slower the more calls it has at once; but for its outages, and those of
    the servers that it needs itself.
    """

    def __init__(
        self, name: str, outages: Sequence[Outage], needs: Sequence[Server], *, latency: float, rng: Random
    ) -> None:
        self.name = name
        self._outages, self._needs = outages, needs
        self._latency = latency
        self._rng = rng
        self.in_flight = 0
        self.suffering = 0  #: calls in flight that an outage has struck, be it over or not

    async def serve(self, domain: str) -> str:
        """One request. Raises Told."""
        struck = self._struck_by(domain)
        longer = 1.0 + self.in_flight / 20
        self.in_flight += 1
        self.suffering += bool(struck)
        try:
            for server, outage in struck:
                longer = max(longer, await self._suffer(server, outage))
            await anyio.sleep(self._latency * (0.5 + self._rng.random()) * longer)
            return "served"
        finally:
            self.in_flight -= 1
            self.suffering -= bool(struck)

    def _struck_by(self, domain: str) -> list[tuple[str, Outage]]:
        now = anyio.current_time()
        own = [(self.name, each) for each in self._outages if domain in each.domains or not domain]
        inherited = [(needed.name, each) for needed in self._needs for each in needed.all_outages]
        return [(name, each) for name, each in (*own, *inherited) if each.begins <= now < each.ends]

    @property
    def all_outages(self) -> list[Outage]:
        """Those of its own, and those of the servers that it needs."""
        return [*self._outages, *(each for needed in self._needs for each in needed.all_outages)]

    async def _suffer(self, server: str, outage: Outage) -> float:
        """What an outage does to a call; by what it slows it down, if that is all."""
        if self._rng.random() >= outage.rate:
            return 1.0
        after = outage.retry_after
        told: dict[Kind, Verdict] = {
            "refuses": Verdict.FAILURE,
            "errors": Verdict.FAILURE,
            "throttles": Verdict.THROTTLED if after is None else Verdict.THROTTLED.after(after),
            "exhausted": Verdict.EXHAUSTED if after is None else Verdict.EXHAUSTED.after(after),
            "rejects": Verdict.IGNORED,
        }
        if outage.kind == "hangs":
            await anyio.sleep(outage.ends - anyio.current_time())
            raise Told(f"{server} hung", Verdict.FAILURE)
        if outage.kind in told:
            await anyio.sleep(0.0 if outage.kind == "refuses" else self._latency)
            raise Told(f"{server} {outage.kind}", told[outage.kind])
        return 40.0 if outage.kind == "slow" else 1.0 + self.in_flight


@dataclass(eq=False)
class Client:
    """Guarded as a plugin guards: each attempt asks for a permit of its own, inside the service's pipeline."""

    server: Server
    ledger: Ledger
    rng: Random
    service: Service | None = None

    async def call(self, operation: Operation, domain: str, *, attempts: int = 1) -> str:
        """One call. `attempts` are those that the client makes by itself, where the first ones fail. Raises Told,
        CallNotPermitted and CallTimedOut.
        """
        service = self.service
        if service is None:
            raise AssertionError("A client that nobody guards was called.")
        self.ledger.calls(service)
        return await service.run(operation, domain, lambda: self._attempt(service, operation, domain, attempts))

    async def _attempt(self, service: Service, operation: Operation, domain: str, attempts: int) -> str:
        ledger = self.ledger
        ledger.attempts(service)
        try:
            permit = service.admit(operation, domain)
        except LimitExceeded:
            raise
        except CallNotPermitted as refusal:
            ledger.refused(service, refusal)
            raise
        breakers = ledger.began(service, permit, operation, domain)
        outcome = "cancelled"
        try:
            with permit:
                answer = await self._answer(permit, operation, domain, breakers, attempts)
            outcome = "SUCCESS"
        except Told as told:
            outcome = told.verdict.name
            raise
        finally:
            ledger.ended(permit, breakers, outcome)
        return answer

    async def _answer(
        self, permit: Permit, operation: Operation, domain: str, breakers: list[CircuitBreaker], attempts: int
    ) -> str:
        for _ in range(attempts - 1):
            try:
                answer = await self.server.serve(domain)
                break
            except Told as told:
                self.ledger.tried(breakers)
                permit.attempt_failed(told)
        else:
            answer = await self.server.serve(domain)
        if operation is TAIL:
            permit.first_chunk()
            for _ in range(self.rng.randint(0, 3)):
                await anyio.sleep(self.rng.random())
        return answer


async def probe(client: Client, domain: str) -> bool:
    """The active check."""
    client.ledger.checks(client.server.name, domain)
    await client.server.serve(domain)
    return client.rng.random() < 0.9  # noqa: PLR2004 - now and then it cannot tell


def guard(client: Client, service: Service) -> Client:
    """Guard a client."""
    client.service = service
    return client


def backend_of(connect: Callable[[Any], AbstractAsyncContextManager[Client]]) -> Backend[Client, Any]:
    """The backend whose clients `connect` gives."""
    return Backend(
        name="simulated", settings=object, connect=connect, guard=guard, classify=classify, probe=probe,
        operations=(GET, SET, TAIL),
    )  # fmt: skip


@asynccontextmanager
async def _nowhere(_settings: Any) -> AsyncGenerator[Client]:
    raise AssertionError("A plan connects nobody.")
    yield


#: What stands in a plan for the backend that a run makes.
UNCONNECTED: Backend[Client, Any] = backend_of(_nowhere)
