"""A client's own tests pass through its guard: a part of each suite, small enough for every change."""

from __future__ import annotations

import pytest

from tests.upstream.compare import compare
from tests.upstream.fetch import Unavailable
from tests.upstream.suites import SUITES


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.xdist_group(f"upstream-{name}")) for name in SUITES]
)
def test_what_passes_bare_passes_guarded(name: str) -> None:
    """Every test of the slice that passes on the bare client passes on the guarded one, by calls through the guard."""
    suite = SUITES[name]
    try:
        comparison = compare(suite, suite.slice)
    except Unavailable as problem:
        pytest.skip(f"the tests of {suite.distribution} {suite.version} cannot be had here: {problem}")
    assert comparison.problems == ()
