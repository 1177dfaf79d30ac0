"""The order in which services come back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from switchgear._graph import Graph
from switchgear._recovery import RecoveryOrder, Refusing

CHAIN = Graph({"network": (), "db": ("network",), "api": ("db",), "cache": ()}, {})
PATIENCE = 2.5


def test_one_alone_waits_for_nobody() -> None:
    """Its breaker has waited already."""
    order = RecoveryOrder(lambda: 0.9)
    assert order.holds(CHAIN, {"cache": Refusing(0.0, 5.0)}, 0.0, PATIENCE) == {}


def test_a_child_waits_for_its_parent_and_is_told_so() -> None:
    """Before its own wait is over, too: else its first probe would slip through."""
    order = RecoveryOrder(lambda: 0.0)
    refusing = {"db": Refusing(3.0, 5.0), "api": Refusing(9.0, 5.0)}
    holds = order.holds(CHAIN, refusing, 0.0, PATIENCE)
    assert holds["api"] == (PATIENCE, "it waits for db, which it requires")
    assert order.holds(CHAIN, {"api": refusing["api"]}, 10.0, PATIENCE) == {}


def test_a_child_does_not_wait_for_ever() -> None:
    """Five of its own intervals after its wait was over: the graph may be wrong."""
    order = RecoveryOrder(lambda: 0.0)
    refusing = {"db": Refusing(0.0, 5.0), "api": Refusing(2.0, 4.0)}
    assert "api" in order.holds(CHAIN, refusing, 21.9, PATIENCE)
    assert "api" not in order.holds(CHAIN, refusing, 22.0, PATIENCE)


def test_several_come_back_one_by_one() -> None:
    """Those of one rank within a second, by chance drawn once; the next rank a second later."""
    rolls = iter([0.25, 0.75, 0.5])
    order = RecoveryOrder(lambda: next(rolls))
    refusing = {"network": Refusing(10.0, 5.0), "cache": Refusing(10.0, 5.0)}
    free: dict[str, float] = {}
    for tenth in range(100, 130):
        holds = order.holds(CHAIN, refusing, tenth / 10, PATIENCE)
        free |= {name: tenth / 10 for name in refusing if name not in holds and name not in free}
    assert free == {"network": 10.3, "cache": 10.8}


def test_the_next_outage_draws_anew() -> None:
    """What has closed is forgotten."""
    rolls = iter([0.9, 0.9, 0.0, 0.0])
    order = RecoveryOrder(lambda: next(rolls))
    refusing = {"network": Refusing(0.0, 5.0), "cache": Refusing(0.0, 5.0)}
    assert len(order.holds(CHAIN, refusing, 0.0, PATIENCE)) == 2
    assert order.holds(CHAIN, {}, 5.0, PATIENCE) == {}
    assert order.holds(CHAIN, refusing, 9.0, PATIENCE) == {}


@given(
    st.dictionaries(
        st.sampled_from(["network", "db", "api", "cache"]),
        st.builds(Refusing, st.floats(0, 100), st.floats(0.1, 30)), min_size=1,
    ),
    st.floats(0, 0.99),
    st.floats(0, 300),
)  # fmt: skip
def test_nobody_is_held_for_longer_than_by_the_rules(refusing: dict[str, Refusing], roll: float, now: float) -> None:
    """No answer holds beyond patience; after five intervals and the stagger nothing is held."""
    order = RecoveryOrder(lambda: roll)
    for name, hold in order.holds(CHAIN, refusing, now, PATIENCE).items():
        assert 0 < hold.seconds <= PATIENCE
        due, interval = refusing[name]
        assert now < due + max(5 * interval, len(CHAIN.services))
