"""What is required: by the graph alone, and by whoever names it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from switchgear import Capability, Criticality
from switchgear._graph import Graph
from switchgear._report import Report
from switchgear.asgi._readiness import missing
from tests.reports import report_of

NAMES = ("a", "b", "c", "d")


def down(*names: str) -> dict[str, Report]:
    return {name: report_of(name, 10.0 if name in names else 100.0) for name in NAMES}


def graph_of(**capabilities: Capability) -> Graph:
    return Graph(dict.fromkeys(NAMES, ()), capabilities)


def needs(*names: str, criticality: Criticality = Criticality.CRITICAL) -> Capability:
    return Capability(requires=names, criticality=criticality)


def test_what_a_critical_capability_requires_through_another_is_required() -> None:
    """Whatever the other one's own criticality."""
    graph = graph_of(shop=needs("stock"), stock=needs("a", criticality=Criticality.BULK))
    assert missing(graph, down("a", "b")) == ["a"]


def test_what_is_preferred_or_required_by_the_unimportant_is_not() -> None:
    """No instance is taken out of rotation for it."""
    graph = graph_of(
        shop=Capability(requires=["a"], prefers={"b": 0.5}), extra=needs("c", criticality=Criticality.DEGRADED)
    )
    assert missing(graph, down("b", "c", "d")) == []


def test_of_a_choice_one_is_enough() -> None:
    """Only when all of its alternatives are gone are they missed."""
    graph = graph_of(shop=Capability(any_of=[["a", "b"], ["c", "d"]]))
    assert missing(graph, down("a", "c")) == []
    assert missing(graph, down("a", "b", "c")) == ["a", "b"]


def test_an_alternative_may_be_a_capability() -> None:
    """It is gone when what it requires is."""
    graph = graph_of(shop=Capability(any_of=[["a", "other"]]), other=needs("b", "c", criticality=Criticality.BULK))
    assert missing(graph, down("b")) == []
    assert missing(graph, down("a", "b")) == ["a", "b"]


def test_a_degraded_service_is_there() -> None:
    """Slow is better than not at all."""
    assert missing(graph_of(shop=needs("a")), {name: report_of(name, 40.0) for name in NAMES}) == []


@given(st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES)))
def test_what_is_named_as_required_is_missed_when_it_is_down(required: set[str], broken: set[str]) -> None:
    """And nothing else, where no capability requires anything."""
    assert missing(graph_of(), down(*broken), required) == sorted(required & broken)
