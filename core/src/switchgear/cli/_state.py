"""The state of a running process, and what has a name in it."""

from __future__ import annotations

from switchgear._document import Capability, Report, Service, State
from switchgear._errors import nearest
from switchgear.cli._remote import Remote, RemoteError


def read_state(remote: Remote) -> State:
    """The present one. Raises RemoteError."""
    return remote.get("/api/state", State)


def find(state: State, name: str) -> Report | Capability | Service:
    """The application, a capability or a service, by name. Raises RemoteError, with the nearest name."""
    known = {one.name: one for one in (state.app, *state.capabilities, *state.services)}
    if name not in known:
        raise RemoteError(f"The process knows no capability or service {name!r}.{nearest(name, known)}")
    return known[name]
