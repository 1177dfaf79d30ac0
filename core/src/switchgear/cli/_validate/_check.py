"""A check: a pure function of facts, and how bad it is when it finds something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from switchgear.cli._validate._facts import Facts


class Outcome(IntEnum):
    """What came of a check, ascending."""

    PASS = 0
    WARN = 1  #: it can be deployed, and somebody should look at it
    FAIL = 2  #: it must not be deployed

    def __str__(self) -> str:
        return self.name


class Finding(NamedTuple):
    """What a check found out about one thing. The problem says what is wrong, and what to do; "" if nothing is."""

    subject: str
    problem: str = ""
    told: str = ""  #: what there is to say where nothing is wrong


class Result(NamedTuple):
    """What is shown of a finding."""

    outcome: Outcome
    check: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table. A check that does not apply, or whose facts are not known, finds nothing."""

    severity: Outcome
    run: Callable[[Facts], Iterable[Finding]]

    @property
    def name(self) -> str:
        return self.run.__name__.replace("_", " ")

    @property
    def proves(self) -> str:
        """What is so where it passes, as a sentence."""
        return " ".join((self.run.__doc__ or "").split())

    def results(self, facts: Facts) -> Iterator[Result]:
        """What it finds."""
        for subject, problem, told in self.run(facts):
            yield Result(self.severity if problem else Outcome.PASS, self.name, subject, problem or told)
