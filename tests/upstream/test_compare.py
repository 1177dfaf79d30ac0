"""The comparison of bare and guarded runs notices a guard that is in the way, and one that is not there."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.upstream import compare, fetch
from tests.upstream.compare import Comparison
from tests.upstream.run import Unbelievable
from tests.upstream.suite import Run, Suite

# Stands in for a guard that breaks what a test says it breaks. It writes down calls as the real one does.
_GUARD = """
import os, pathlib
os.environ["GUARDED"] = "yes"
pathlib.Path(os.environ["SWITCHGEAR_UPSTREAM"], "calls-1").write_text("{calls}")
"""
_TESTS = {
    "steady": "def test_steady(): pass",
    "broken": "def test_broken(): assert 'GUARDED' not in os.environ",
    "broken_twice": "def test_broken_twice():\n    with open('tries', 'a') as file: file.write('x')\n"
    "    assert 'GUARDED' not in os.environ or len(open('tries').read()) > 2",
    "fails_anyway": "def test_fails_anyway(): assert False",
}


@pytest.fixture
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Comparison]:
    """`compared("steady", ..., calls=1, explained="")`: such tests in a suite, through a guard with so many calls."""
    monkeypatch.setattr(fetch, "sdist", lambda *_: tmp_path)
    monkeypatch.setattr(fetch, "CACHE", tmp_path)
    monkeypatch.setattr(compare, "DIFFERENCES", tmp_path)

    def compared(*tests: str, calls: int = 1, explained: str = "") -> Comparison:
        (tmp_path / "pytest.ini").touch()
        (tmp_path / "made_up_guard.py").write_text(_GUARD.format(calls=calls))
        (tmp_path / "made-up.txt").write_text(explained)
        (tmp_path / "test_it.py").write_text("\n".join(["import os", *(_TESTS[test] for test in tests)]))
        suite = Suite(
            name="made-up", distribution="pytest", backend="none", parts=(), prepare=_as_it_is, options=(),
            whole=("test_it.py",), slice=(), least_guarded=0.5, swap="made_up_guard",
        )  # fmt: skip
        return compare.compare(suite, suite.whole)

    return compared


@contextmanager
def _as_it_is(folder: Path) -> Generator[Run]:
    yield Run(folder)


def test_what_passes_both_ways_is_no_difference(compared: Callable[..., Comparison]) -> None:
    """A test that passes bare and guarded counts as one of each."""
    comparison = compared("steady")
    assert (comparison.bare.passed, comparison.guarded_passed) == ({"test_it.py::test_steady"}, 1)
    assert (comparison.differences, comparison.problems) == ((), ())


def test_what_the_guard_breaks_is_a_difference(compared: Callable[..., Comparison]) -> None:
    """A test that passes bare and fails guarded, each time, is named and is a problem."""
    comparison = compared("steady", "broken")
    assert comparison.differences == ("test_it.py::test_broken",)
    assert comparison.problems == ("passes bare and fails guarded: test_it.py::test_broken",)


def test_a_difference_with_a_reason_is_no_problem(compared: Callable[..., Comparison]) -> None:
    """It is still counted and named as a difference."""
    comparison = compared(
        "steady", "broken", explained="test_it.py::test_broken # it asks for what a guard must change"
    )
    assert (comparison.differences, comparison.problems) == (("test_it.py::test_broken",), ())


def test_a_reason_without_a_difference_is_a_problem(compared: Callable[..., Comparison]) -> None:
    """What has been mended may not stay excused, lest it break again unseen."""
    [problem] = compared("steady", explained="test_it.py::test_steady # it once differed").problems
    assert problem == "is explained and does not differ: test_it.py::test_steady"


def test_an_exception_needs_a_reason(compared: Callable[..., Comparison]) -> None:
    """An id alone is refused."""
    with pytest.raises(ValueError, match="gives no reason"):
        compared("steady", explained="test_it.py::test_steady")


def test_what_passes_when_it_is_run_again_is_told_apart(compared: Callable[..., Comparison]) -> None:
    """A test that fails guarded now and then is no difference, and is named."""
    comparison = compared("steady", "broken_twice")
    assert (comparison.differences, comparison.unsteady) == ((), ("test_it.py::test_broken_twice",))
    assert comparison.guarded_passed == 2


def test_without_calls_through_the_guard_nothing_is_shown(compared: Callable[..., Comparison]) -> None:
    """A suite that passes because no client was guarded is refused."""
    with pytest.raises(Unbelievable, match="0 calls through the guard"):
        compared("steady", calls=0)


def test_a_suite_that_fails_bare_shows_nothing(compared: Callable[..., Comparison]) -> None:
    """Where a server or a package is missing, few tests are left that the guard could break."""
    with pytest.raises(Unbelievable, match="1 of 2 tests fail bare"):
        compared("steady", "fails_anyway")
