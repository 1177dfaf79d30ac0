"""How trouble spreads along the graph, and in which order it leaves again. Functions of reports, times and the graph.

What is impaired and needs nothing that is impaired is a root cause; alerts are for these. What is impaired besides is
inhibited by its root causes: visible, but nothing to be mended there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from switchgear._aggregate import capability_health, inherited
from switchgear._graph import Graph
from switchgear._report import Report

#: As many intervals of its own a service's probes wait for a parent at most: a wrong graph must not keep it down.
_PATIENCE = 5
#: So many roots that nothing in common explains, within so many seconds: rather we ourselves than all of them.
_TOO_MANY, _AT_ONCE = 3, 2.0


def effective(graph: Graph, own: Mapping[str, Report]) -> dict[str, Report]:
    """The reports of all services and capabilities, parents considered, from those of each service's own calls."""
    reports: dict[str, Report] = {}
    for name in graph.order:
        if name in graph.services:
            reports[name] = inherited(own[name], (reports[parent] for parent in graph.services[name]))
        else:
            reports[name] = capability_health(name, graph.capabilities[name], reports)
    return reports


def inhibited_by(graph: Graph, reports: Mapping[str, Report]) -> dict[str, tuple[str, ...]]:
    """For all that is impaired, by name, its root causes; of a root cause itself there are none.

    Roots are services: a capability is never impaired but by what it needs or wants.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in graph.order:
        if reports[name].impaired:
            roots = {root for parent in _blamed(graph, name, reports) for root in found[parent] or (parent,)}
            found[name] = tuple(sorted(roots))
    return found


def _blamed(graph: Graph, name: str, reports: Mapping[str, Report]) -> list[str]:
    """The impaired inputs, but for one of a choice that has a better alternative."""
    blamed = [parent for parent in graph.inputs(name) if reports[parent].impaired]
    groups = graph.capabilities[name].any_of if name in graph.capabilities else ()
    served = {one for group in groups if not all(reports[one].impaired for one in group) for one in group}
    return [parent for parent in blamed if parent not in served]


def awaited_parent(graph: Graph, service: str, refusing: Collection[str], waited: float, interval: float) -> str | None:
    """The required service whose breaker has to close before probes of this one make sense; None: probe now.

    `refusing` are the services whose breakers are not closed; `waited` the seconds that a probe has been due, of which
    there are at most five times `interval`, the seconds between two probes.
    """
    if waited >= _PATIENCE * interval:
        return None
    return min((parent for parent in graph.ancestors(service) if parent in refusing), default=None)


def release_delays(
    graph: Graph, services: Collection[str], spacing: float, roll: Callable[[], float]
) -> dict[str, float]:
    """In how many seconds each of the services may come back: what is needed before what needs it, `spacing` seconds
    apart, and those of one rank spread over that time by chance. `roll` gives numbers from 0 up to but not including 1.
    """
    ranks = sorted({graph.rank(service) for service in services})
    return {service: spacing * (ranks.index(graph.rank(service)) + roll()) for service in services}


def suspects(graph: Graph, onsets: Mapping[str, float]) -> tuple[str, ...]:
    """The root causes that make us suspect ourselves (our event loop, our network) rather than each of them; else none.

    `onsets` has, for each present root cause, the time at which it became one, in seconds. It takes three within two
    seconds that no common parent explains; those that have one count as one.
    """
    times = sorted((at, name) for name, at in onsets.items())
    for first, _ in times:
        together = [name for at, name in times if 0 <= at - first <= _AT_ONCE]
        if _explanations(graph, together) >= _TOO_MANY:
            return tuple(sorted(together))
    return ()


def _explanations(graph: Graph, roots: list[str]) -> int:
    """How many things have to be wrong at the least: one behind all that have something in common."""
    families: list[frozenset[str]] = []
    for root in roots:
        family = graph.ancestors(root) | {root}
        related = [other for other in families if other & family]
        families = [other for other in families if not other & family]
        families.append(family.union(*related))
    return len(families)
