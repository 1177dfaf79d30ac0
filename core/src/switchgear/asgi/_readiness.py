"""Whether an instance should get requests: is there what the application cannot be without?

Required is what the CRITICAL capabilities require, themselves or through what they require, and what the operator named
as required besides. What they merely prefer is not, and of a choice one is enough.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from switchgear._criticality import Criticality
from switchgear._graph import Graph
from switchgear._report import Report, Status


def missing(graph: Graph, reports: Mapping[str, Report], required: Collection[str] = ()) -> list[str]:
    """The required services that are UNHEALTHY, in the order of the alphabet; empty: ready. `reports` has those of the
    services; `required` names some that are so whatever the capabilities say.
    """
    wanted = [name for name, given in graph.capabilities.items() if given.criticality is Criticality.CRITICAL]
    return sorted({down for name in (*wanted, *required) for down in _down(graph, reports, name)})


def _down(graph: Graph, reports: Mapping[str, Report], name: str) -> Iterator[str]:
    """The services for whose sake it cannot be offered."""
    if name in graph.services:
        # What it requires is in its own report.
        if reports[name].status is Status.UNHEALTHY:
            yield name
        return
    capability = graph.capabilities[name]
    for needed in capability.requires:
        yield from _down(graph, reports, needed)
    for group in capability.any_of:
        alternatives = [list(_down(graph, reports, one)) for one in group]
        if all(alternatives):
            yield from (down for alternative in alternatives for down in alternative)
