"""The graph is checked when it is made, and trouble in it is traced to its roots."""

from __future__ import annotations

import random
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear import ConfigurationError
from switchgear._cascade import awaited_parent, effective, inhibited_by, release_delays, suspects
from switchgear._converter import make_converter
from switchgear._criticality import Criticality
from switchgear._graph import Capability, Graph
from switchgear._keypath import Table
from switchgear._report import Report, Status
from switchgear._structure import read
from tests.reports import report_of

SHOP = """
[services.proxy]
[services.db]
requires = ["proxy"]
[services.cache]
[services.openai]
[services.local]

[capabilities.checkout]
requires = ["db"]
prefers = {cache = 0.2}
[capabilities.assistant]
requires = ["checkout"]
any_of = [["openai", "local"]]
criticality = "best_effort"
importance = 2
"""


def graph_of(toml: str) -> Graph:
    """As a file's tables say, read as all of a configuration is."""
    tables = tomllib.loads(toml)
    converter, errors = make_converter(), list[ConfigurationError]()

    def capability(name: str, table: Table) -> Capability:
        made = read(table, lambda given: converter.structure(given, Capability), ("capabilities", name), errors)
        return made or Capability()

    capabilities = {name: capability(name, table) for name, table in tables.get("capabilities", {}).items()}
    if errors:
        raise ConfigurationError.several("shop.toml", errors)
    return Graph({name: table.get("requires", ()) for name, table in tables.get("services", {}).items()}, capabilities)


def problems_of(toml: str) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as refusal:
        graph_of(toml)
    return {error.key: error.problem for error in refusal.value.errors}


# -- what is refused -----------------------------------------------------------------------------------------------


def test_a_graph_is_read_from_tables() -> None:
    """Edges of all three kinds, and what a capability matters, in TOML's own terms."""
    graph = graph_of(SHOP)
    assert graph.services["db"] == ("proxy",)
    assert graph.capabilities["checkout"] == Capability(requires=["db"], prefers={"cache": 0.2})
    assistant = graph.capabilities["assistant"]
    assert (assistant.any_of, assistant.criticality) == ((("openai", "local"),), Criticality.BEST_EFFORT)
    assert graph.inputs("assistant") == ("checkout", "openai", "local")
    assert graph.ancestors("assistant") == {"checkout", "openai", "local", "db", "proxy", "cache"}
    assert graph.ancestors("proxy") == frozenset()


def test_a_name_that_is_not_known_is_refused_with_the_nearest() -> None:
    """All of them at once, each at the path of its key."""
    assert problems_of(
        """
        [services.db]
        requires = ["prox"]
        [services.proxy]
        [capabilities.checkout]
        requires = ["db", "dbb"]
        prefers = {casche = 0.2}
        any_of = [["db2", "proxy"]]
        """.replace("db2", "proxi")
    ) == {
        "services.db.requires[0]": "There is no service 'prox'. Did you mean 'proxy'?",
        "capabilities.checkout.requires[1]": "There is no service or capability 'dbb'. Did you mean 'db'?",
        "capabilities.checkout.prefers.casche": "There is no service or capability 'casche'. Known: db, proxy.",
        "capabilities.checkout.any_of[0][0]": "There is no service or capability 'proxi'. Did you mean 'proxy'?",
    }


def test_a_service_cannot_require_a_capability() -> None:
    """Capabilities are made of services, not the other way round."""
    problems = problems_of('services.db.requires = ["checkout"]\ncapabilities.checkout = {}')
    assert problems == {"services.db.requires[0]": "There is no service 'checkout'. Known: db."}


def test_one_name_is_not_for_two_things() -> None:
    """A path of names would be ambiguous."""
    problems = problems_of("services.db = {}\ncapabilities.db = {}")
    assert problems == {"capabilities.db": "A service has this name already. Give the capability another one."}


def test_a_cycle_is_refused_and_printed() -> None:
    """In the direction of the edges: each needs the next."""
    [(key, problem)] = problems_of(
        """
        services.a.requires = ["b"]
        services.b.requires = ["c"]
        services.c.requires = ["a"]
        services.d.requires = ["a"]
        """
    ).items()
    cycles = [" -> ".join(cycle) for cycle in (["a", "b", "c", "a"], ["b", "c", "a", "b"], ["c", "a", "b", "c"])]
    assert problem in [f"This is a cycle: {cycle}. Take one of these edges away." for cycle in cycles]
    assert key == f"services.{problem.split()[4]}"


def test_a_capability_that_needs_itself_is_a_cycle() -> None:
    """By an edge of any kind."""
    for edges in ('requires = ["c"]', "prefers = {c = 0.1}", 'any_of = [["c", "a"]]'):
        problems = problems_of(f"[services.a]\n[capabilities.c]\n{edges}")
        assert problems == {"capabilities.c": "This is a cycle: c -> c. Take one of these edges away."}


@pytest.mark.parametrize(
    ("table", "key", "problem"),
    [
        ("prefers = {a = 0}", "prefers.a", "is no weight"),
        ("prefers = {a = 1.5}", "prefers.a", "is no weight"),
        ("prefers = {a = nan}", "prefers.a", "This should be a number"),
        ("prefers = {a = 0.6, b = 0.6}", "prefers", "The weights add up to 1.2"),
        ('any_of = [["a"]]', "any_of", "('a',) is no choice"),
        ("importance = 0", "importance", "is no weight"),
        ('requires = ["a"]\nprefers = {a = 0.5}', "", "'a' is named more than once"),
        ('requires = "a"', "requires", "This should be an array"),
        ('requred = ["a"]', "requred", "Did you mean 'requires'?"),
        ('criticality = "vital"', "criticality", "This should be one of 'CRITICAL', 'DEGRADED', 'BEST_EFFORT', 'BULK'"),
    ],
)
def test_a_capability_that_cannot_be_meant_is_refused(table: str, key: str, problem: str) -> None:
    """At the path of its key, with what is wrong."""
    [(path, text)] = problems_of(f"[services.a]\n[services.b]\n[capabilities.c]\n{table}").items()
    assert path == "capabilities.c" + (f".{key}" if key else "")
    assert problem in text


@pytest.mark.parametrize("given", [{"requires": "db"}, {"any_of": ["db"]}])
def test_a_name_is_not_taken_for_a_list_of_letters(given: Any) -> None:
    """A capability made in code, with a string where names should be, is refused."""
    with pytest.raises(ConfigurationError, match="'db'") as refusal:
        Capability(**given)
    assert refusal.value.key in given


def test_an_importance_has_a_bound() -> None:
    """Infinitely important is CRITICAL."""
    with pytest.raises(ConfigurationError, match="inf is no weight"):
        Capability(importance=float("inf"))


def test_a_refusal_says_what_it_is_about() -> None:
    """For a graph made in code, where no file is named."""
    with pytest.raises(ConfigurationError) as refusal:
        Graph({"db": ["cache"]}, {})
    problem = "services.db.requires[0]: There is no service 'cache'. Known: db."
    assert str(refusal.value) == f"The graph of services and capabilities: {problem}"


def test_ranks_count_the_longest_way_up() -> None:
    """From 0 for what needs nothing."""
    graph = graph_of(SHOP)
    assert {name: graph.rank(name) for name in graph.order} == {
        "proxy": 0,
        "cache": 0,
        "openai": 0,
        "local": 0,
        "db": 1,
        "checkout": 2,
        "assistant": 3,
    }


def test_ten_weights_of_a_tenth_are_not_too_many() -> None:
    """Rounding may add up to a little more than 1."""
    names = [f"s{n}" for n in range(10)]
    assert set(Capability(prefers=dict.fromkeys(names, 0.1)).prefers) == set(names)


def test_a_capability_keeps_no_one_elses_mapping() -> None:
    """It is frozen, so what it was made from may change without it."""
    mine = {"cache": 0.2}
    capability = Capability(prefers=mine)
    mine["cache"] = 0.9
    assert capability.prefers["cache"] == 0.2
    with pytest.raises(TypeError):
        capability.prefers["cache"] = 0.9  # type: ignore[index]


# -- cascades ------------------------------------------------------------------------------------------------------

scores = st.sampled_from([0.0, 50.0, 89.0, 90.0, 100.0]) | st.floats(0, 100)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Up to seven services that require earlier ones, and up to four capabilities of all kinds above them."""
    names = [f"s{n}" for n in range(draw(st.integers(1, 7)))]
    services = {name: draw(_some(names[:n], 3)) for n, name in enumerate(names)}
    capabilities: dict[str, Capability] = {}
    for n in range(draw(st.integers(0, 4))):
        inputs = draw(_some([*names, *capabilities], 5))
        cut = draw(st.integers(0, len(inputs)))
        preferred, rest = inputs[:cut], inputs[cut:]
        choice = rest[:2] if len(rest) >= 2 and draw(st.booleans()) else []
        capabilities[f"c{n}"] = Capability(
            requires=rest[len(choice) :],
            prefers=dict.fromkeys(preferred, 1 / max(1, len(preferred))),
            any_of=[choice] if choice else [],
        )
    # Told in any order: what comes first in a file need not be needed first.
    order = draw(st.permutations(list(services)))
    return Graph({name: services[name] for name in order}, capabilities)


def _some(names: list[str], most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), max_size=most, unique=True) if names else st.just([])


@st.composite
def troubles(draw: st.DrawFn) -> tuple[Graph, dict[str, Report]]:
    graph = draw(graphs())
    return graph, {name: report_of(name, draw(scores)) for name in graph.services}


@given(troubles())
def test_a_services_effective_score_is_the_least_of_its_own_and_its_parents(
    given: tuple[Graph, dict[str, Report]],
) -> None:
    """eff(i) = min(own(i), eff of all hard parents), so of all hard ancestors; the path leads there along the edges."""
    graph, own = given
    reports = effective(graph, own)
    for name in graph.services:
        worst = min(own[one].score for one in {name, *graph.ancestors(name)})
        assert reports[name].score == worst
        *way, last = [one for one in reports[name].path if one in graph.services]
        assert own[last].score == worst
        for child, parent in zip(way, [*way, last][1:], strict=True):
            assert parent in graph.services[child]


@given(troubles())
def test_invariant_39_roots_have_no_impaired_parent_and_all_others_have_one(
    given: tuple[Graph, dict[str, Report]],
) -> None:
    """Every impaired non-root has an impaired ancestor, its root cause; roots, which are services, have none."""
    graph, own = given
    reports = effective(graph, own)
    found = inhibited_by(graph, reports)
    assert set(found) == {name for name, report in reports.items() if report.score < 90}
    for name, causes in found.items():
        impaired = {one for one in graph.ancestors(name) if one in found}
        if causes:
            assert impaired.issuperset(causes)
            assert all(found[root] == () and root in graph.services for root in causes)
        else:
            assert name in graph.services
            assert not impaired
            assert own[name].score < 90


@given(troubles())
def test_invariant_39_a_services_root_causes_are_all_its_impaired_ancestors_without_one(
    given: tuple[Graph, dict[str, Report]],
) -> None:
    """Against the definition, by own scores alone: bad ancestors that have no bad ancestor."""
    graph, own = given
    found = inhibited_by(graph, effective(graph, own))
    bad = {name for name in graph.services if own[name].score < 90}
    roots = {name for name in bad if not graph.ancestors(name) & bad}
    assert {name for name, causes in found.items() if not causes} == roots
    for name in graph.services:
        if found.get(name):
            assert set(found[name]) == graph.ancestors(name) & roots


def test_an_alternative_that_is_not_needed_inhibits_nothing() -> None:
    """With openai down, local serves; the assistant is impaired by the cache under checkout, and by that alone."""
    graph = graph_of(SHOP)
    scores = {"proxy": 100, "db": 100, "cache": 0, "openai": 0, "local": 100}
    reports = effective(graph, {name: report_of(name, score) for name, score in scores.items()})
    assert inhibited_by(graph, reports) == {
        "cache": (),
        "openai": (),
        "checkout": ("cache",),
        "assistant": ("cache",),
    }
    assert reports["assistant"].path == ("assistant", "checkout", "cache", "errors")
    both = {**scores, "cache": 100, "local": 10}
    reports = effective(graph, {name: report_of(name, score) for name, score in both.items()})
    assert inhibited_by(graph, reports) == {"openai": (), "local": (), "assistant": ("local", "openai")}


def test_a_capability_of_unknown_services_is_unknown() -> None:
    """Before the first call everything is at 100, and nothing is claimed."""
    graph = graph_of(SHOP)
    reports = effective(graph, {name: report_of(name, 100, 0.0) for name in graph.services})
    assert {report.status for report in reports.values()} == {Status.UNKNOWN}
    assert inhibited_by(graph, reports) == {}


# -- recovery ------------------------------------------------------------------------------------------------------


@given(graphs(), st.data())
def test_what_is_needed_is_back_before_what_needs_it(graph: Graph, data: st.DataObject) -> None:
    """Of any services that wait, each comes after all of its ancestors among them, and all within their ranks' time."""
    waiting = data.draw(st.sets(st.sampled_from(sorted(graph.services))))
    dice = random.Random(data.draw(st.integers(0, 99)))
    delays = release_delays(graph, waiting, 2.0, dice.random)
    assert set(delays) == waiting
    for service in waiting:
        assert all(delays[parent] < delays[service] for parent in graph.ancestors(service) & waiting)
        assert 0 <= delays[service] < 2.0 * len({graph.rank(one) for one in waiting})


def test_services_of_one_rank_do_not_come_back_in_one_instant() -> None:
    """Chance spreads them over the time of their rank."""
    delays = release_delays(Graph(dict.fromkeys("abcd", ()), {}), "abcd", 2.0, random.Random(7).random)
    assert len(set(delays.values())) == 4
    assert max(delays.values()) < 2.0


def test_a_probe_waits_for_a_parent_but_not_for_ever() -> None:
    """While proxy's breaker refuses, probing db makes no sense; after five intervals it is tried all the same."""
    graph = graph_of(SHOP)
    assert awaited_parent(graph, "db", {"proxy", "cache"}, waited=0.0, interval=2.0) == "proxy"
    assert awaited_parent(graph, "db", {"proxy"}, waited=9.9, interval=2.0) == "proxy"
    assert awaited_parent(graph, "db", {"proxy"}, waited=10.0, interval=2.0) is None
    assert awaited_parent(graph, "db", {"cache"}, waited=0.0, interval=2.0) is None
    assert awaited_parent(graph, "proxy", {"proxy", "db"}, waited=0.0, interval=2.0) is None


# -- suspicion -----------------------------------------------------------------------------------------------------

FLAT = Graph(dict.fromkeys("abcde", ()), {})
PARENTED = Graph({"net": (), "a": ("net",), "b": ("net",), "c": ("net",), "d": (), "e": ()}, {})


@pytest.mark.parametrize(
    ("graph", "onsets", "suspected"),
    [
        (FLAT, {"a": 0.0, "b": 1.0, "c": 2.0}, "abc"),
        (FLAT, {"a": 0.0, "b": 1.0, "c": 2.1}, ""),
        (FLAT, {"a": 0.0, "b": 1.0}, ""),
        (FLAT, {"a": 0.0, "b": 3.0, "c": 4.0, "d": 5.0, "e": 9.0}, "bcd"),
        (FLAT, {}, ""),
        (PARENTED, {"a": 0.0, "b": 0.0, "c": 0.0}, ""),
        (PARENTED, {"a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0}, ""),
        (PARENTED, {"a": 0.0, "b": 0.0, "d": 0.0, "e": 0.0}, "abde"),
        (PARENTED, {"a": 0.0, "d": 0.1, "b": 0.2, "e": 0.3}, "abde"),
    ],
)
def test_many_roots_at_once_that_nothing_explains_make_us_suspect_ourselves(
    graph: Graph, onsets: dict[str, float], suspected: str
) -> None:
    """Three or more within two seconds; those with a common parent, healthy as it looks, count as one."""
    assert "".join(suspects(graph, onsets)) == suspected


@given(graphs(), st.data())
def test_suspicion_does_not_depend_on_order_and_needs_three(graph: Graph, data: st.DataObject) -> None:
    """The same onsets told in another order give the same answer; what is suspected broke within two seconds."""
    onsets = data.draw(st.dictionaries(st.sampled_from(sorted(graph.services)), st.integers(0, 6).map(float)))
    found = suspects(graph, onsets)
    assert found == suspects(graph, dict(reversed(onsets.items())))
    if found:
        assert len(found) >= 3
        assert max(onsets[one] for one in found) - min(onsets[one] for one in found) <= 2
