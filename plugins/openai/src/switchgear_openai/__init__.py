"""The switchgear plugin for OpenAI and compatible APIs: guards every request of an AsyncOpenAI client, per model.

    client = switchgear_openai.guard(AsyncOpenAI(), gear, name="llm")

Importing it loads no SDK.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from switchgear.spi import Backend, BreakerConfig, HealthConfig, Metric, Service, Strategy, hookimpl
from switchgear_openai._classify import classify
from switchgear_openai._connect import OpenAISettings, connect, identify, limits, permissions, probe
from switchgear_openai._convention import CONVENTION
from switchgear_openai._instrument import INSTRUMENT, owner
from switchgear_openai._operations import OPERATIONS

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from switchgear import Switchgear
    from switchgear_openai._budgets import Spend, Tokens

__all__ = ["BACKEND", "OpenAISettings", "Spend", "Tokens", "guard", "register_backends", "register_strategies"]

ClientT = TypeVar("ClientT", bound="AsyncOpenAI")


def _guard(client: AsyncOpenAI, service: Service) -> AsyncOpenAI:
    from switchgear_openai._client import pipe
    from switchgear_openai._guard import guard_client
    from switchgear_openai._socket import guard_sockets

    guard_client(client, service)
    guard_sockets()
    if service.pipeline is not None:
        pipe(client)
    return client


def _gauges(client: AsyncOpenAI) -> Mapping[str, float]:
    from switchgear_openai._readings import gauges

    return gauges(client)


def _saturation(client: AsyncOpenAI) -> Mapping[str, float]:
    from switchgear_openai._readings import saturation

    return saturation(client)


BACKEND: Backend[AsyncOpenAI, OpenAISettings] = Backend(
    name="openai",
    settings=OpenAISettings,
    connect=connect,
    guard=_guard,
    owner=owner,
    instrument=INSTRUMENT,
    classify=classify,
    operations=OPERATIONS,
    probe=probe,
    identify=identify,
    metrics=(
        Metric(name="tokens", kind="counter", unit="tokens", help="Tokens billed, by kind.", labels=("kind",)),
        Metric(
            name="time_to_first_chunk",
            kind="histogram",
            unit="seconds",
            help="Time from the request to a stream's first chunk.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
        ),
        Metric(
            name="chunk_gap",
            kind="histogram",
            unit="seconds",
            help="Time between two pieces of a stream, as they come from the network.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
        ),
        Metric(name="truncated_streams", kind="counter", help="Streams that ended without saying so."),
        Metric(name="auth_errors", kind="counter", help="Answers that deny our credentials.", labels=("status",)),
        Metric(
            name="remaining_requests",
            kind="gauge",
            help="Requests left, as the last answer that said so.",
            merged="min",
        ),
        Metric(
            name="remaining_tokens",
            kind="gauge",
            unit="tokens",
            help="Tokens left, as the last answer that said so.",
            merged="min",
        ),
    ),
    convention=CONVENTION,
    gauges=_gauges,
    limits=limits,
    permissions=permissions,
    saturation=_saturation,
    health=HealthConfig(
        # A first chunk takes 0.3 to 2 s, a whole answer as long as its text, some 50 tokens a second; a reasoning model
        # is silent for several seconds first. An embedding takes a few tenths of a second. Four times as long is where
        # the breaker takes calls for slow. The list of the models, files and the like are nobody's wait.
        tolerated={"stream": 5.0, "write": 15.0, "read": 2.5},
        # Errors and "slow down" are daily life here, and callers are built to try again.
        r50=0.2,
    ),
    recommended=BreakerConfig(
        # A model's branch sees few calls, and each failing one may cost its caller a minute: judge on fewer.
        minimum_number_of_calls=10,
        consecutive_failures=5,
        # Streams are judged by their first chunk. Before it a reasoning model may think for long; a whole generation
        # takes as long as its text.
        slow_call_duration_threshold={"stream": 20.0, "write": 60.0, "read": 10.0, "admin": 10.0},
        # A probe is a generation too.
        probe_timeout=60.0,
        max_wait_in_half_open=120.0,
    ),
    sdk="openai>=3.34",
)


@hookimpl
def register_backends() -> Sequence[Backend[Any, Any]]:
    """This plugin's backend."""
    return [BACKEND]


@hookimpl
def register_strategies() -> Sequence[type[Strategy]]:
    """Budgets of tokens and of money."""
    from switchgear_openai._budgets import Spend, Tokens

    return [Tokens, Spend]


def guard(client: ClientT, gear: Switchgear, *, name: str) -> ClientT:
    """Guard an existing client as the service `name`, in place, and return it. Raises ConfigurationError."""
    as_declared: AsyncOpenAI = client
    gear.guard(as_declared, BACKEND, name=name)
    return client


def __getattr__(name: str) -> Any:  # budgets are for those who have pipelines
    if name not in {"Spend", "Tokens"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from switchgear_openai import _budgets

    return getattr(_budgets, name)
