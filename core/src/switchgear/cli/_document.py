"""The state of a running process as it tells it at /api/state: what the commands read of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict

from switchgear._errors import nearest
from switchgear._keypath import is_table
from switchgear._report import Status
from switchgear.cli._remote import Remote, RemoteError

#: What a command that looks at health exits with. 2 is for what could not be done.
EXIT_CODES = {Status.HEALTHY.name: 0, Status.UNKNOWN.name: 0, Status.DEGRADED.name: 1, Status.UNHEALTHY.name: 3}


class Report(TypedDict):
    """Times are in seconds, ratios 0..1, scores 0..100; here and below."""

    name: str
    score: float
    status: str
    confidence: float
    path: list[str]
    limited_by: str
    reason: str


class Overridden(TypedDict):
    level: str
    reason: str
    ends_in: float


class Capability(Report):
    level: str
    criticality: str
    importance: float
    requires: list[str]
    prefers: dict[str, float]
    any_of: list[list[str]]
    override: Overridden | None
    inhibited_by: list[str]
    loses: str


class Traffic(TypedDict):
    per_second: float
    served: float
    failed: float
    refused: float
    p50: float | None
    p95: float | None
    p99: float | None


class Breaker(TypedDict):
    domain: str
    state: str
    since: float
    retry_after: float | None
    share: float
    explain: str
    traffic: Traffic


class Service(Report):
    backend: str
    requires: list[str]
    root: bool
    inhibited_by: list[str]
    suspected: bool
    saturations: dict[str, float]
    pressure: float
    breakers: list[Breaker]  #: the main one first


class State(TypedDict):
    version: str
    at: str
    uptime: float
    app: Report
    lag: float
    roots: list[str]
    suspects: list[str]
    capabilities: list[Capability]
    services: list[Service]


class _Change(TypedDict("_Change", {"from": str | None})):  # a keyword, so it can be no attribute's name
    to: str | None


class Entry(_Change):
    """What has happened: an entry of /api/timeline, and the data of an event."""

    at: str
    kind: str
    name: str
    domain: str
    reason: str
    detail: str


def read_state(remote: Remote) -> State:
    """The present state. Raises RemoteError."""
    state: Any = remote.get("/api/state")
    if not is_table(state) or not State.__required_keys__ <= state.keys():
        raise RemoteError(f"{remote.url} runs another version of switchgear, and this one cannot read its state.")
    return state  # type: ignore[return-value] # as far as it matters to a program that only shows it


def services(state: State) -> dict[str, Service]:
    """By name."""
    return {service["name"]: service for service in state["services"]}


def capabilities(state: State) -> dict[str, Capability]:
    """By name."""
    return {capability["name"]: capability for capability in state["capabilities"]}


def reports(state: State) -> dict[str, Report]:
    """All that has a health, by name: the application, its capabilities and its services."""
    return {state["app"]["name"]: state["app"], **capabilities(state), **services(state)}


def no_such(what: str, name: str, known: Iterable[str]) -> RemoteError:
    """The error for a name that the process does not know."""
    return RemoteError(f"The process knows no {what} {name!r}.{nearest(name, known)}")
