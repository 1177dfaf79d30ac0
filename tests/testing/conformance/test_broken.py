"""For each check there is a plugin that is broken in that one way, and the check says so."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
import pytest

from switchgear.spi import CallNotPermitted, Operation, Service, Verdict
from switchgear.testing.conformance import Violation
from switchgear.testing.conformance._bench import benches
from tests.testing.conformance import acme
from tests.testing.conformance.acme import ACME, Client, guard
from tests.testing.conformance.suite import Acme

pytestmark = pytest.mark.anyio

GET = Operation(name="acme.get")
Guard = Callable[[Any, Service], Any]


def with_send(guarded: Callable[[Service, Callable[..., Any], tuple[str, ...]], Any]) -> Guard:
    """A guard that is good but for what it does round `_send`."""

    def broken(client: Any, service: Service) -> Any:
        send = client._send
        guard(client, service)
        client._send = lambda *words: guarded(service, send, words)
        return client

    return broken


def by_a_list_of_methods(client: Any, service: Service) -> Any:
    """Guards `get`, and forgets `put`."""
    send = client._send
    guard(client, service)
    good = client._send
    client._send = lambda *words: (send if words[0] == "PUT" else good)(*words)
    return client


def forgets_what_clients_make(client: Any, service: Service) -> Any:
    send = client._send
    guard(client, service)
    good = client._send
    client._send = lambda *words: (send if words[0] == "BATCH" else good)(*words)
    return client


def with_a_refusal_of_its_own(client: Any, service: Service) -> Any:
    guard(client, service)
    service.refusal = CallNotPermitted
    return client


class Wrapper:
    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def as_a_wrapper(client: Any, service: Service) -> Any:
    return Wrapper(guard(client, service))


async def wraps_errors(service: Service, send: Any, words: tuple[str, ...]) -> Any:
    with service.admit(GET):
        try:
            return await send(*words)
        except acme.AcmeDeclined as exc:
            raise RuntimeError("declined") from exc


async def changes_results(service: Service, send: Any, words: tuple[str, ...]) -> Any:
    with service.admit(GET):
        return (await send(*words)).encode()


async def forgets_to_settle(service: Service, send: Any, words: tuple[str, ...]) -> Any:
    permit = service.admit(GET)
    answer = await send(*words)
    if words[0] != "BATCH":
        permit.succeed()
    return answer


async def leaks_when_cancelled(service: Service, send: Any, words: tuple[str, ...]) -> Any:
    permit = service.admit(GET)
    try:
        answer = await send(*words)
    except Exception as exc:
        permit.fail(exc)
        raise
    permit.succeed()
    return answer


async def blames_the_server_for_cancellations(service: Service, send: Any, words: tuple[str, ...]) -> Any:
    permit = service.admit(GET)
    try:
        answer = await send(*words)
    except BaseException as exc:
        permit.settle(ACME.classify(exc))
        raise
    permit.succeed()
    return answer


def keeps_places(client: Any, service: Service) -> Any:
    """Each call keeps a place of the pool if it is cancelled."""
    guard(client, service)
    good = client._send

    async def send(*words: str) -> Any:
        client.in_use += 1
        answer = await good(*words)
        client.in_use -= 1
        return answer

    client._send = send
    return client


def twice(client: Any, service: Service) -> Any:
    vars(client).pop("guarded", None)
    return guard(client, service)


def streams_settle_early(client: Any, service: Service) -> Any:
    lines = client._lines
    guard(client, service)

    async def early(*words: str) -> AsyncGenerator[str]:
        with service.admit(Operation(name="acme.list", klass="stream")):
            pass
        async with aclosing(lines(*words)) as source:
            async for line in source:
                yield line

    client._lines = early
    return client


def streams_are_forgotten(client: Any, service: Service) -> Any:
    lines = client._lines
    guard(client, service)

    async def forgotten(*words: str) -> AsyncGenerator[str]:
        permit = service.admit(Operation(name="acme.list", klass="stream"))
        async with aclosing(lines(*words)) as source:
            async for line in source:
                yield line
        permit.succeed()

    client._lines = forgotten
    return client


def streams_never_fail(client: Any, service: Service) -> Any:
    lines = client._lines
    guard(client, service)

    async def released(*words: str) -> AsyncGenerator[str]:
        permit = service.admit(Operation(name="acme.list", klass="stream"))
        try:
            async with aclosing(lines(*words)) as source:
                async for line in source:
                    yield line
        except BaseException:
            permit.release()
            raise
        permit.succeed()

    client._lines = released
    return client


def declined_is_failure(exc: BaseException) -> Verdict:
    return Verdict.FAILURE


def silence_is_nothing(exc: BaseException) -> Verdict:
    return Verdict.IGNORED if isinstance(exc, acme.AcmeUnreachable) else acme.classify(exc)


def looks_at_what_is_not_there(exc: Any) -> Verdict:
    if type(exc).__name__.startswith("Acme") and exc.status < 500:
        return Verdict.SUCCESS
    return Verdict.FAILURE


@asynccontextmanager
async def without_timeouts(settings: Any) -> AsyncGenerator[Any]:
    async with aclosing(Client(settings.port, 3600.0)) as client:
        yield client


async def greedy(client: Any, domain: str) -> bool:
    return bool([line async for line in client.listing("all")])


async def stubborn(client: Any, domain: str) -> bool:
    client.timeout = 3600.0
    with anyio.CancelScope(shield=True), anyio.move_on_after(4, shield=True):
        await client.get("probe")
    return True


async def credulous(client: Any, domain: str) -> bool:
    return True


def counts_by_key(client: Any, service: Service) -> Any:
    guard(client, service)
    good = client._send

    async def send(*words: str) -> Any:
        service.count("hits", kind=words[-1])
        return await good(*words)

    client._send = send
    return client


def counts_without_labels(client: Any, service: Service) -> Any:
    guard(client, service)
    service.count("hits")
    return client


@dataclass(frozen=True, kw_only=True)
class Talkative(acme.Settings):
    token: str = "never-shown"


@asynccontextmanager
async def logs_its_settings(settings: Any) -> AsyncGenerator[Any]:
    async with acme.connect(settings) as client:
        client.token = settings.token
        yield client


def logs_tokens(client: Any, service: Service) -> Any:
    guard(client, service)
    good = client._send

    async def send(*words: str) -> Any:
        logging.getLogger("tests.acme").debug("asking with %s", client.token)
        return await good(*words)

    client._send = send
    return client


class Unpicklable(acme.AcmeCallNotPermitted):
    def __reduce__(self) -> Any:
        raise TypeError("no")


def with_unpicklable_refusals(client: Any, service: Service) -> Any:
    guard(client, service)
    service.refusal = Unpicklable
    return client


@asynccontextmanager
async def asyncio_only(settings: Any) -> AsyncGenerator[Any]:
    import asyncio

    asyncio.get_running_loop()  # its RuntimeError is not in words of ours
    async with acme.connect(settings) as client:
        yield client


#: Check, what is broken, and what is said of it.
BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("every_operation_is_guarded", {"guard": by_a_list_of_methods}, r"client\.put\(\) goes to the server"),
    ("every_operation_is_guarded", {"guard": forgets_what_clients_make}, r"client\.batch\(\)\.run\(\) goes"),
    ("no_way_gets_through_while_open", {"guard": forgets_what_clients_make}, "batch ended with"),
    ("a_refusal_is_the_clients_own_error", {"guard": with_a_refusal_of_its_own}, "which nobody catches"),
    ("a_guarded_client_is_the_client_it_was", {"guard": as_a_wrapper}, "another object"),
    ("results_and_errors_are_the_clients_own", {"guard": with_send(wraps_errors)}, "decline gives RuntimeError"),
    ("results_and_errors_are_the_clients_own", {"guard": with_send(changes_results)}, "get gives b'fine'"),
    ("every_call_settles_once", {"guard": with_send(forgets_to_settle)}, "never settled"),
    ("guarding_twice_counts_once", {"guard": twice}, "guarded twice"),
    ("what_the_server_declines_is_no_failure", {"classify": declined_is_failure}, "is judged FAILURE"),
    ("a_cancelled_call_gives_its_permit_back", {"guard": with_send(leaks_when_cancelled)}, "never settled"),
    ("a_cancelled_call_gives_its_permit_back", {"guard": with_send(blames_the_server_for_cancellations)}, "a FAILURE"),
    ("a_cancelled_call_gives_its_permit_back", {"guard": keeps_places}, "of the client's pool is still in use"),
    ("calls_at_once_leave_nothing_behind", {"guard": keeps_places}, "of the client's pool is still in use"),
    ("a_stream_settles_at_its_end", {"guard": streams_settle_early}, "settled when its first piece came"),
    ("an_abandoned_stream_gives_its_permit_back", {"guard": streams_are_forgotten}, "never settled"),
    ("a_broken_stream_is_a_failure", {"guard": streams_never_fail}, "It is one FAILURE"),
    ("a_fault_opens_the_breaker_and_healing_closes_it", {"classify": silence_is_nothing}, "did not open"),
    ("the_probe_is_cheap", {"probe": greedy}, "moved 30"),
    ("the_probe_is_bounded", {"probe": stubborn}, "hung for 3 s"),
    ("the_probe_is_bounded", {"probe": credulous}, "says that a server serves which hangs"),
    ("every_exception_has_a_verdict", {"classify": looks_at_what_is_not_there}, "no Verdict"),
    ("metrics_and_names_are_bounded", {"guard": counts_by_key}, "part of a name"),
    ("metrics_and_names_are_bounded", {"guard": counts_without_labels}, "is counted with {}"),
    ("secrets_stay_secret", {"settings": Talkative}, "repr"),
    ("secrets_stay_secret", {"guard": logs_tokens, "connect": logs_its_settings}, r"asking with \*\*\*"),
    ("settings_and_refusals_can_be_pickled", {"guard": with_unpicklable_refusals}, "comes back as TypeError"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "changes", "said"), BROKEN, ids=[f"{it[0]}-{i}" for i, it in enumerate(BROKEN)])
async def test_a_broken_plugin_fails_the_check(
    check: str, changes: dict[str, Any], said: str, request: pytest.FixtureRequest
) -> None:
    """It is broken in one way, and that is what the check says."""
    settings = changes.get("settings", acme.Settings)
    suite = type("Broken", (Acme,), {"kind": replace(ACME, **changes), "settings_type": settings})()
    arguments: dict[str, Any] = {}
    if check.startswith("a_fault"):
        arguments["fault"] = "resets"
    if check.startswith("secrets"):
        arguments["caplog"] = request.getfixturevalue("caplog")
    async with suite.server() as server, benches(suite, server) as bench:
        with pytest.raises(Violation, match=said):
            await getattr(suite, f"test_{check}")(bench, **arguments)


async def test_a_client_without_timeouts_is_found_out() -> None:
    """A server that hangs, and a client that waits for ever."""
    suite = type("Broken", (Acme,), {"kind": replace(ACME, connect=without_timeouts)})()
    async with suite.server() as server, benches(suite, server) as bench:
        with pytest.raises(Violation, match="did not come back within"):
            await suite.test_a_fault_opens_the_breaker_and_healing_closes_it(bench, "hangs")


def test_a_plugin_that_imports_its_sdk_is_found_out() -> None:
    """At the top of its module, for whoever lists plugins to wait for."""
    suite = type("Broken", (Acme,), {"sdk_modules": lambda self: ["anyio", "tests"]})()
    with pytest.raises(Violation, match=r"imports .*tests"):
        suite.test_importing_it_loads_no_sdk()


async def test_an_event_loop_must_be_refused_in_words() -> None:
    """An error that is not a ConfigurationError, and a client that seems to work, are not."""
    for connect in (asyncio_only, acme.connect):
        suite = type("Broken", (Acme,), {"kind": replace(ACME, connect=connect), "event_loops": ("asyncio",)})()
        async with suite.server() as server:
            with pytest.raises(Violation, match="On trio"):
                suite.test_other_event_loops_are_refused_in_words(server)


def test_an_untyped_package_is_found_out() -> None:
    """One without py.typed."""
    suite = type("Broken", (Acme,), {"module": lambda self: "json"})()
    with pytest.raises(Violation, match=r"no file py\.typed"):
        suite.test_it_is_typed()


def test_every_check_has_a_plugin_that_fails_it() -> None:
    """A check that nothing fails proves nothing."""
    elsewhere = {"importing_it_loads_no_sdk", "other_event_loops_are_refused_in_words", "it_is_typed"}
    checks = {name.removeprefix("test_") for name in dir(Acme) if name.startswith("test_")}
    assert {check for check, _, _ in BROKEN} | elsewhere == checks


def test_checks_cannot_be_left_out() -> None:
    """Deleted, overridden, or excused without a reason: the class is not made."""
    for evasion in (
        {"test_the_probe_is_cheap": None},
        {"test_the_probe_is_cheap": lambda self: None},
        {"deviations": {"the_probe_is_cheap": " "}},
        {"deviations": {"no_such_check": "because"}},
    ):
        with pytest.raises(TypeError):
            type("Evading", (Acme,), evasion)
