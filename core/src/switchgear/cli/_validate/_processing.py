"""Asking a running process, and drilling it."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote

from switchgear._document import Service, State
from switchgear._level import Level
from switchgear.cli._remote import Answer, Remote, RemoteError
from switchgear.cli._state import read_state
from switchgear.cli._validate._facts import Drill, Drilled, Running, named
from switchgear.cli._validate._processes import EXPECTED

#: Seconds that an isolation holds if nobody ends it: should the drill be killed, the process heals by itself.
_LIMIT = 60.0
#: Seconds for an order to show, and a service to be healthy again; and between two looks.
_SOON, _LOOK = 15.0, 0.2
#: Seconds that a level may be held back where it has changed too often of late, and some for a busy machine.
_SUPPRESSED, _SPARE = 180.0, 60.0


def ask_process(remote: Remote) -> Running:
    """What all of its endpoints say. Raises nothing for what they do not."""
    answers = {path: _ask(remote, path) for path in EXPECTED}
    try:
        state = read_state(remote)
    except RemoteError:
        state = None  # which the endpoint's own answer shows
    try:
        kind, _ = next(remote.events(0))
    except (RemoteError, StopIteration) as error:
        kind = str(error)
    return Running(url=remote.url, answers=answers, events=kind, state=state)


def _ask(remote: Remote, path: str) -> Answer | str:
    try:
        return remote.ask(path)
    except RemoteError as error:
        return str(error)


def drill(remote: Remote, hold: float, tell: Callable[[str], None]) -> Drill:
    """Isolate one service after another, look, and close it again. `hold` is the longest that a level is held, in
    seconds; `tell` hears of each step.

    Raises RemoteError, also where orders are not taken. Whatever happens, what was isolated is closed.
    """
    before = read_state(remote)
    if not _well(before):
        return Drill(before=before)
    return Drill(before=before, services=tuple(_drill(remote, before, s.name, hold, tell) for s in before.services))


def _well(state: State) -> bool:
    """Whether nothing is impaired, held by an operator, or still on its way back."""
    breakers = [breaker for service in state.services for breaker in service.breakers]
    return _offered(state) and all(breaker.state == "CLOSED" and breaker.share == 1 for breaker in breakers)


def _offered(state: State) -> bool:
    return all(capability.level == Level.FULL.name for capability in state.capabilities)


def _drill(remote: Remote, before: State, name: str, hold: float, tell: Callable[[str], None]) -> Drilled:
    tell(f"{name}: isolated")
    path = f"/api/services/{quote(name, safe='')}"
    try:
        remote.order(f"{path}/isolate", {"reason": "drill", "for": _LIMIT}, Service)
        during = _once(remote, lambda state: named(state, name).score == 0, _SOON)
        alive, ready, metrics = remote.ask("/livez"), remote.ask("/readyz"), remote.ask("/metrics")
    finally:
        remote.order(f"{path}/close", {"reason": "drill"}, Service)
    began = time.monotonic()
    tell(f"{name}: closed; waiting for the levels")
    was = named(before, name).score
    after = _once(remote, lambda state: named(state, name).score >= was, _SOON)
    returned = _once(remote, _offered, 4 * hold + _SUPPRESSED + _SPARE)
    return Drilled(
        service=name, during=during, alive=alive, ready=ready, metrics=metrics, after=after, returned=returned,
        seconds=time.monotonic() - began,
    )  # fmt: skip


def _once(remote: Remote, so: Callable[[State], bool], patience: float) -> State:
    """The state once it is so, or when patience is at an end."""
    deadline = time.monotonic() + patience
    while not so(state := read_state(remote)) and time.monotonic() < deadline:
        time.sleep(_LOOK)  # noqa: TID251 - there is no event loop here
    return state
