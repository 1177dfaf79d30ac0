"""The state of a process, drawn for a terminal: what is offered, how the services are, and what there is to say."""

from __future__ import annotations

from collections.abc import Iterator
from math import fsum

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from switchgear.cli._document import Breaker, Capability, Report, Service, State

_STATUSES = {"HEALTHY": "green", "DEGRADED": "yellow", "UNHEALTHY": "bold red"}
_LEVELS = {"FULL": "green", "REDUCED": "yellow", "FALLBACK": "yellow"}
_STATES = {"CLOSED": "green", "HALF_OPEN": "yellow", "OPEN": "bold red"}
_WORST, _OTHER = "bold red", "magenta"


def board(state: State) -> RenderableType:
    """All of it."""
    parts: list[RenderableType] = [headline(state)]
    if state["capabilities"]:
        parts += [Text(), _capabilities(state)]
    if state["services"]:
        parts += [Text(), _services(state)]
    if notes := list(_notes(state)):
        parts += [Text(), *notes]
    return Group(*parts)


def headline(state: State) -> Text:
    """The application in a line."""
    facts = f", {state['version']}, up {span(state['uptime'])}, event loop late by {1000 * state['lag']:.0f} ms"
    return Text.assemble(*_verdict(state["app"]), (facts, "dim"))


def in_words(report: Report) -> Text:
    """One report as a sentence."""
    path = f" {' <- '.join(report['path'])}:" if report["limited_by"] else ""
    return Text.assemble(*_verdict(report), f":{path} {report['reason']}.")


def span(seconds: float) -> str:
    """A length of time as people say it: 4 s, 3 min, 2 h."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == 0 else f"{seconds:.1f} s"  # noqa: PLR2004 - s


def state_of(breaker: Breaker) -> Text:
    """A breaker's state and what comes next."""
    state, share, next_ = breaker["state"], breaker["share"], breaker["retry_after"]
    if state == "CLOSED" and share < 1:
        return Text(f"CLOSED {share:.0%}", style="cyan")
    comes = "" if next_ is None else f", probes in {span(next_)}" if state == "OPEN" else f" for {span(next_)}"
    return Text(f"{state}{comes}", style=_STATES.get(state, _OTHER))


def _verdict(report: Report) -> tuple[str | tuple[str, str], ...]:
    # Rounded down: 89.9 is not shown as the 90 that would be healthy.
    return f"{report['name']} is ", (
        f"{report['status']} ({int(report['score'])})",
        _STATUSES.get(report["status"], ""),
    )


def _capabilities(state: State) -> Table:
    table = _table("capability", "level", "-score", "-known", "limited by")
    for capability in state["capabilities"]:
        level = Text(capability["level"], style=_LEVELS.get(capability["level"], _WORST))
        if capability["override"]:
            level.append(" (override)", style=_OTHER)
        table.add_row(capability["name"], level, *_health(capability), _limit(capability))
    return table


def _services(state: State) -> Table:
    table = _table(
        "service", "breaker", "-score", "-known", "-calls/s", "-failed/s", "-refused/s", "-p95", "limited by"
    )
    for service in state["services"]:
        traffic = [breaker["traffic"] for breaker in service["breakers"]]
        slowest = max((given for one in traffic if (given := one["p95"]) is not None), default=None)
        table.add_row(
            service["name"],
            _breakers(service),
            *_health(service),
            f"{fsum(one['per_second'] for one in traffic):.1f}",
            _alarming(fsum(one["failed"] for one in traffic)),
            _alarming(fsum(one["refused"] for one in traffic)),
            "" if slowest is None else f"{1000 * slowest:.0f} ms",
            Text("root cause", style=_WORST) if service["root"] else _limit(service),
        )
    return table


def _breakers(service: Service) -> Text:
    main, *branches = service["breakers"]
    text = state_of(main)
    amiss = [branch for branch in branches if branch["state"] != "CLOSED"]
    if amiss and main["state"] == "CLOSED":
        text = Text(f"{len(amiss)} of {len(branches)} not CLOSED", style=_STATES["OPEN"])
    return text


def _health(report: Report) -> tuple[Text, Text]:
    score = Text(f"{int(report['score'])}", style=_STATUSES.get(report["status"], "dim"))
    return score, Text(f"{report['confidence']:.0%}", style="dim")


def _limit(report: Report) -> str:
    return " <- ".join(report["path"][1:])


def _notes(state: State) -> Iterator[Text]:
    """What the tables have no room for."""
    for service in state["services"]:
        if service["root"]:
            yield Text(f"{service['name']}: {service['reason']}.")
    for capability in state["capabilities"]:
        if held := capability["override"]:
            yield Text(_held(capability, held["level"], held["ends_in"], held["reason"]), style=_OTHER)
        elif capability["level"] != "FULL" and capability["loses"]:
            yield Text(f"{capability['name']}: {capability['loses']}")
    if state["suspects"]:
        yield Text(
            f"So much broke at once ({', '.join(state['suspects'])}) that the fault may be this process's: its event "
            "loop, its network.",
            style=_WORST,
        )


def _held(capability: Capability, level: str, ends_in: float, reason: str) -> str:
    return f"{capability['name']}: an operator holds it at {level} for another {span(ends_in)}: {reason}"


def _table(*headings: str) -> Table:
    """A table of columns; those of numbers begin with a minus."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        number = heading.startswith("-")
        table.add_column(heading.removeprefix("-"), justify="right" if number else "left", no_wrap=number)
    return table


def _alarming(rate: float) -> Text:
    return Text(f"{rate:.1f}", style="red" if rate else "")
