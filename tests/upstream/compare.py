"""Compares a suite's guarded run with its bare one, test by test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.upstream.run import Ran, Unbelievable, run
from tests.upstream.suite import Suite

DIFFERENCES = Path(__file__).parent / "differences"
#: What differs is run again so often: such suites have tests that fail now and then, guarded or not.
_AGAIN = 2
#: The share of a suite's tests that may fail bare. With more, something is missing that they need.
_MOST_FAIL = 0.1


@dataclass(frozen=True)
class Comparison:
    """One suite, bare and guarded."""

    suite: Suite
    bare: Ran
    guarded: Ran
    #: Tests that pass bare, and fail guarded however often they are run.
    differences: tuple[str, ...]
    #: Tests that passed bare and failed guarded, and pass guarded when they are run again.
    unsteady: tuple[str, ...]
    #: Why this is no proof of a drop-in: differences without a reason, and reasons without a difference.
    problems: tuple[str, ...]

    @property
    def guarded_passed(self) -> int:
        """How many tests pass guarded, those that did so in the second or third run included."""
        return len(self.guarded.passed) + len(self.unsteady)


def compare(suite: Suite, chosen: Sequence[str]) -> Comparison:
    """Run the chosen tests twice, each time on new servers. Raises Unavailable and Unbelievable."""
    # Not at the same time: some tests listen on ports of their own choice.
    bare = run(suite, chosen, guarded=False)
    if len(bare.failed) > _MOST_FAIL * (ran := len(bare.passed) + len(bare.failed)):
        raise Unbelievable(f"{len(bare.failed)} of {ran} tests fail bare. Is a server or a package missing?")
    guarded = run(suite, chosen, guarded=True)
    if not guarded.passed or guarded.calls < suite.least_guarded * len(guarded.passed):
        raise Unbelievable(f"{len(guarded.passed)} tests passed, with {guarded.calls} calls through the guard: "
                           "too few to show anything. Does the guard still stand before their clients?")  # fmt: skip
    suspects = bare.passed - guarded.passed
    steady = frozenset(suspects - _passed_again(suite, suspects))
    explained = exceptions(suite.name)
    return Comparison(
        suite,
        bare=bare,
        guarded=guarded,
        differences=tuple(sorted(steady)),
        unsteady=tuple(sorted(suspects - steady)),
        problems=(
            *(f"passes bare and fails guarded: {test}" for test in sorted(steady - explained.keys())),
            *(f"is explained and does not differ: {test}" for test in sorted(explained.keys() & bare.passed - steady)),
        ),
    )


def _passed_again(suite: Suite, suspects: set[str]) -> set[str]:
    """Those of them that pass through the guard when nothing else runs."""
    passed: set[str] = set()
    for _ in range(_AGAIN):
        if remaining := sorted(suspects - passed):
            try:
                passed |= run(suite, sorted(set(map(suite.again, remaining))), guarded=True).passed
            except Unbelievable:  # pytest could not even run them
                break
    return passed


def exceptions(name: str) -> dict[str, str]:
    """The tests that may differ, each with its reason: lines of `ID # REASON`. Raises ValueError for one without."""
    file = DIFFERENCES / f"{name}.txt"
    found: dict[str, str] = {}
    for line in file.read_text().splitlines():
        if line and not line.startswith("#"):
            test, _, reason = line.rpartition(" # ")
            if not test or not reason:
                raise ValueError(f"{file} gives no reason: {line!r}. Write: ID # REASON")
            found[test] = reason
    return found
