"""What came of it all: as JSON, as tables, and in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from switchgear.demo._ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceResult:
    """One service. Where it suffered several faults, the times are those of the worst; None if one did not come."""

    plugin: str
    server: str
    calls: int
    failures: int
    refused: int
    trips: int
    recovered: bool
    time_to_protect: float | None
    time_to_recover: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityResult:
    """One capability: how its users fared, and from when on, in seconds, how much of it was offered."""

    goodput: Mapping[str, float | None]
    lowest: str
    levels: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One run, under the names of its JSON; times in seconds, shares 0..1. See the ledger for what the words mean."""

    ok: bool
    services: Mapping[str, ServiceResult]
    capabilities: Mapping[str, CapabilityResult]
    goodput: Mapping[str, float | None]
    seed: int

    def to_json(self) -> dict[str, object]:
        """As an object."""
        return asdict(self)


def summarise(
    ledger: Ledger, plugins: Mapping[str, str], servers: Mapping[str, str], capabilities: Iterable[str], seed: int
) -> Summary:
    """The summary of a run; `plugins` and `servers` name those of each service."""
    services = {name: _service(ledger, name, plugins[name], server) for name, server in servers.items()}
    ok = all(service.recovered and service.time_to_protect is not None for service in services.values())
    offered = {name: _capability(ledger, name) for name in capabilities}
    return Summary(ok=ok, services=services, capabilities=offered, goodput=ledger.goodput(), seed=seed)


def _capability(ledger: Ledger, name: str) -> CapabilityResult:
    levels = ledger.levels[name]
    return CapabilityResult(
        goodput=ledger.goodput(name),
        lowest=str(min(level for _, level in levels)),
        levels=tuple((round(at, 3), str(level)) for at, level in levels),
    )


def _service(ledger: Ledger, name: str, plugin: str, server: str) -> ServiceResult:
    account = ledger.accounts[name]
    acts = [act for act in ledger.acts if act.service == name]
    recover = _longest(act.time_to_recover for act in acts)
    return ServiceResult(
        plugin=plugin,
        server=server,
        calls=account.calls,
        failures=account.failures,
        refused=account.refused,
        trips=account.trips,
        recovered=recover is not None,
        time_to_protect=_longest(act.time_to_protect for act in acts),
        time_to_recover=recover,
    )


def _longest(times: Iterable[float | None]) -> float | None:
    known = [-1.0 if time is None else time for time in times]
    return round(max(known), 3) if known and min(known) >= 0 else None


def draw(summary: Summary) -> RenderableType:
    """As tables for people."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for heading in ("service", "server"):
        table.add_column(heading, vertical="bottom")
    for heading in ("calls", "failed", "refused", "trips", "time to\nprotect", "time to\nrecover"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, service in summary.services.items():
        table.add_row(
            Text(name, style="bold"),
            service.server,
            *(str(count) for count in (service.calls, service.failures, service.refused, service.trips)),
            _seconds(service.time_to_protect, "not"),
            _seconds(service.time_to_recover, "not"),
        )
    before, during, after = (_share(summary.goodput[phase]) for phase in ("before", "during_fault", "after"))
    goodput = Text(f"Goodput: {before} before, {during} during the faults, {after} after.")
    sentence = Text(in_words(summary), style="green" if summary.ok else "bold red")
    return Padding(Group(table, Text(), _capabilities(summary), Text(), goodput, sentence), (1, 0))


def _capabilities(summary: Summary) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for heading in ("capability", "lowest", "now"):
        table.add_column(heading, vertical="bottom")
    for heading in ("answered\nbefore", "during\nfaults", "after"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, capability in summary.capabilities.items():
        answered = (_share(capability.goodput[phase]) for phase in ("before", "during_fault", "after"))
        table.add_row(Text(name, style="bold"), capability.lowest, capability.levels[-1][1], *answered)
    return table


def in_words(summary: Summary) -> str:
    """What was seen, in one sentence."""
    if not summary.ok:
        return f"Not as it should be: {'; '.join(_complaints(summary))}."
    protect = max(service.time_to_protect or 0 for service in summary.services.values())
    recover = max(service.time_to_recover or 0 for service in summary.services.values())
    answered = _share(summary.goodput["during_fault"])
    return (
        f"Every breaker opened within {protect:.1f} s of its fault; meanwhile {answered} of the requests that did not "
        f"need the broken service were answered; all calls were admitted again within {recover:.1f} s of the repair."
    )


def _complaints(summary: Summary) -> Iterable[str]:
    for name, service in summary.services.items():
        if service.time_to_protect is None:
            yield f"{name} did not trip"
        if not service.recovered:
            yield f"{name} did not recover"


def _seconds(time: float | None, otherwise: str) -> Text:
    return Text(otherwise, style="bold red") if time is None else Text(f"{time:.1f} s")


def _share(share: float | None) -> str:
    return "none" if share is None else f"{share:.1%}"
