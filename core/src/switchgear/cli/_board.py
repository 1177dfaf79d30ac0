"""The state of a process, drawn for a terminal: what is offered, how the services are, and what there is to say."""

from __future__ import annotations

from collections.abc import Iterator
from math import fsum

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from switchgear._document import Breaker, Report, Service, State

_STATUSES = {"HEALTHY": "green", "DEGRADED": "yellow", "UNHEALTHY": "bold red"}
_LEVELS = {"FULL": "green", "REDUCED": "yellow", "FALLBACK": "yellow"}
_STATES = {"CLOSED": "green", "HALF_OPEN": "yellow", "OPEN": "bold red"}
_WORST, _OTHER = "bold red", "magenta"


def board(state: State) -> RenderableType:
    """All of it."""
    parts: list[RenderableType] = [_headline(state)]
    if state.capabilities:
        parts += [Text(), _capabilities(state)]
    if state.services:
        parts += [Text(), _services(state)]
    if notes := list(_notes(state)):
        parts += [Text(), *notes]
    return Group(*parts)


def in_words(report: Report) -> Text:
    """One report as a sentence."""
    path = f" {' <- '.join(report.path)}:" if report.limited_by else ""
    return Text.assemble(*_verdict(report), f":{path} {report.reason}.")


def span(seconds: float) -> str:
    """A length of time as people say it: 1.5 s, 40 s, 3 min, 2 h."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"  # noqa: PLR2004 - s


def _headline(state: State) -> Text:
    facts = f"  switchgear {state.version}, up {span(state.uptime)}, event loop {1000 * state.lag:.0f} ms late"
    return Text.assemble(*_verdict(state.app), (facts, "dim"))


def _verdict(report: Report) -> tuple[str | tuple[str, str], ...]:
    # Rounded down: 89.9 is not shown as the 90 that would be healthy.
    return f"{report.name} is ", (f"{report.status} ({int(report.score)})", _STATUSES.get(report.status, ""))


def _capabilities(state: State) -> Table:
    table = _table("capability", "level", "-score", "-known", "limited by")
    for capability in state.capabilities:
        level = Text(capability.level, style=_LEVELS.get(capability.level, _WORST))
        if capability.override:
            level.append(" (override)", style=_OTHER)
        table.add_row(capability.name, level, *_health(capability))
    return table


def _services(state: State) -> Table:
    table = _table("service", "breaker", "-score", "-known", "limited by", "-calls/s", "-failed", "-refused", "-p95")
    for service in state.services:
        main, *branches = service.breakers
        calls = [branch.traffic for branch in branches]  # of the main, only what it refuses is not the branches' too
        refused = fsum(one.refused for one in calls) + main.traffic.refused
        p95 = max((one.p95 for one in calls if one.p95 is not None), default=None)
        table.add_row(
            service.name,
            _breakers(service),
            *_health(service),
            f"{fsum(one.per_second for one in calls) + main.traffic.refused:.1f}",
            _alarming(fsum(one.failed for one in calls)),
            _alarming(refused),
            "" if p95 is None else f"{1000 * p95:.0f} ms" if p95 < 1 else f"{p95:.1f} s",
        )
    return table


def _health(report: Report) -> tuple[Text, ...]:
    score = Text(f"{int(report.score)}", style=_STATUSES.get(report.status, "dim"))
    return score, Text(f"{report.confidence:.0%}", style="dim"), Text(" <- ".join(report.path[1:]))


def _breakers(service: Service) -> Text:
    main, *branches = service.breakers
    amiss = [branch for branch in branches if branch.state != "CLOSED" or branch.share < 1]
    if main.state == "CLOSED" and len(amiss) == 1 == len(branches):
        return _state_of(amiss[0])
    if main.state == "CLOSED" and amiss:
        return Text(f"{len(amiss)} of {len(branches)} not CLOSED", style=_STATES["OPEN"])
    return _state_of(main)


def _state_of(breaker: Breaker) -> Text:
    """Its state, and for how long."""
    if breaker.state == "CLOSED" and breaker.share < 1:
        return Text(f"CLOSED, {breaker.share:.0%}", style="cyan")
    comes = "" if breaker.retry_after is None else f", {span(breaker.retry_after)}"
    return Text(f"{breaker.state}{comes}", style=_STATES.get(breaker.state, _OTHER))


def _notes(state: State) -> Iterator[Text]:
    """What the tables have no room for."""
    for service in state.services:
        if service.root:
            yield Text.assemble(("root cause  ", _WORST), f"{service.name}: {service.reason}.")
    for capability in state.capabilities:
        if capability.loses:
            yield Text.assemble(("users       ", "yellow"), f"{capability.name}: {capability.loses}")
        if held := capability.override:
            ends = f"{capability.name} is held at {held.level} for another {span(held.ends_in)}: {held.reason}"
            yield Text.assemble(("override    ", _OTHER), ends)
    if state.suspects:
        why = "failed within moments, so the fault may be this process's own: its event loop, its network."
        yield Text.assemble(("suspicion   ", _WORST), f"{', '.join(state.suspects)} {why}")


def _table(*headings: str) -> Table:
    """A table of columns; those of numbers begin with a minus."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        number = heading.startswith("-")
        table.add_column(heading.removeprefix("-"), justify="right" if number else "left", no_wrap=number)
    return table


def _alarming(rate: float) -> Text:
    return Text(f"{rate:.1f}", style="red" if rate else "")
