"""The line of waiting calls, against a list that is sorted anew each time."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from switchgear._criticality import Criticality
from switchgear._strategies._line import Line, Waiter

ORDER = list(Criticality)
criticalities = st.sampled_from(ORDER)


class Lines(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.line = Line()
        self.model: list[Waiter] = []  # in order of arrival
        self.now = 0.0

    def sorted(self) -> list[Waiter]:
        return sorted(self.model, key=lambda waiter: ORDER.index(waiter.criticality))  # a stable sort

    @rule(criticality=criticalities, patience=st.floats(0, 5), units=st.floats(0, 10))
    def join(self, criticality: Criticality, patience: float, units: float) -> None:
        waiter = Waiter(criticality, self.now + patience, lambda: None, units)
        self.line.join(waiter)
        self.model.append(waiter)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(self.model))
        self.line.leave(waiter)
        self.line.leave(waiter)
        self.model.remove(waiter)

    @rule(seconds=st.floats(0, 2))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def first(self) -> None:
        """The first that still waits; those before it, whose time is over, are gone."""
        expected = next((waiter for waiter in self.sorted() if self.now < waiter.deadline), None)
        gone = self.sorted()[: self.sorted().index(expected)] if expected is not None else self.model
        assert self.line.first(self.now) is expected
        self.model = [waiter for waiter in self.model if waiter not in gone]

    @rule(newcomer=criticalities)
    def giving_way(self, newcomer: Criticality) -> None:
        """The last of all, if it matters less than the newcomer."""
        last = self.sorted()[-1] if self.model else None
        expected = last if last is not None and ORDER.index(last.criticality) > ORDER.index(newcomer) else None
        assert self.line.giving_way(newcomer) is expected

    @rule(newcomer=criticalities)
    def ahead(self, newcomer: Criticality) -> None:
        """All that is waited for by those who matter as much as the newcomer, or more."""
        before = [waiter for waiter in self.model if ORDER.index(waiter.criticality) <= ORDER.index(newcomer)]
        assert self.line.ahead(newcomer) == pytest.approx(sum(waiter.units for waiter in before))

    @invariant()
    def length(self) -> None:
        assert self.line.length == len(self.model)


TestLine = Lines.TestCase
