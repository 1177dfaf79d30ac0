"""The OpenAPI document says what the endpoints do: asked whatever it allows, and what it does not, they keep to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
import schemathesis
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from switchgear import Chaos, Switchgear
from switchgear.asgi import create_app
from tests.asgi.support import TOKEN, ask
from tests.backends import Client, backend_of

NAMES = {"services": ["db", "cache"], "capabilities": ["checkout"]}


def gear_of() -> Switchgear:
    gear = Switchgear()
    for name in NAMES["services"]:
        pipeline = [Chaos()] if name == "cache" else None
        gear.guard(Client(), backend_of(name=f"toy-{name}"), name=name, pipeline=pipeline)
    gear.capability("checkout", requires=["db"], prefers={"cache": 0.3})
    return gear


async def _document() -> Any:
    document = (await ask(create_app(gear_of()), "/api/openapi.json")).json()
    # It would be waited for for ever; the stream has tests of its own.
    del document["paths"]["/events"]
    return document


OPERATIONS = {
    (path, method): one for path, methods in anyio.run(_document)["paths"].items() for method, one in methods.items()
}
#: Those that may be asked wrongly: any text is a name.
REFUSABLE = [where for where, one in OPERATIONS.items() if "requestBody" in one]

EXAMPLES = settings(
    max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None
)


@pytest.fixture(scope="module")
def described() -> Iterator[Any]:
    """The endpoints of a gear that lives on an event loop of its own."""
    gear = gear_of()
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(gear):
        yield schemathesis.openapi.from_asgi("/api/openapi.json", create_app(gear, token=TOKEN))


def keeps_to_it(case: schemathesis.Case[Any]) -> None:
    answer = case.call(headers={"Authorization": f"Bearer {TOKEN}"})
    # What is too long is refused before it is read, be it right or wrong.
    unread: Any = [positive_data_acceptance, negative_data_rejection] if answer.status_code == 413 else []
    case.validate_response(answer, excluded_checks=unread)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_what_the_document_allows_is_answered_as_it_says(described: Any, path: str, method: str) -> None:
    """Statuses, media types and bodies, for names that there are and names that there are not."""
    known = next((names for kind, names in NAMES.items() if f"/{kind}/" in path), [])

    @EXAMPLES
    @given(
        described[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE), st.sampled_from([None, *known])
    )
    def check(case: schemathesis.Case[Any], name: str | None) -> None:
        if name is not None:
            case.path_parameters["name"] = name
        keeps_to_it(case)

    check()


@pytest.mark.parametrize(("path", "method"), REFUSABLE)
def test_what_the_document_does_not_allow_is_refused(described: Any, path: str, method: str) -> None:
    """Nothing breaks, whatever is sent."""

    @EXAMPLES
    @given(described[path][method].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def check(case: schemathesis.Case[Any]) -> None:
        keeps_to_it(case)

    check()


@pytest.mark.parametrize(("path", "method"), [where for where, one in OPERATIONS.items() if "security" in one])
def test_what_needs_the_token_is_refused_without(described: Any, path: str, method: str) -> None:
    """Before anything else is looked at."""

    @EXAMPLES
    @given(described[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def check(case: schemathesis.Case[Any]) -> None:
        assert case.call().status_code == 401

    check()


def test_every_operation_is_described() -> None:
    """With a name of its own, and what comes back."""
    identifiers = [one["operationId"] for one in OPERATIONS.values()]
    assert len(set(identifiers)) == len(identifiers) == 17
    assert all(one["summary"] and one["responses"] for one in OPERATIONS.values())
