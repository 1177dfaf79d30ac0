"""`python -m tests.upstream [NAME...] [--slice] [--json] [--write]`."""

from __future__ import annotations

import argparse
import json
import signal
import sys

from switchgear.testing.servers import ServerUnavailable
from tests.upstream.compare import Comparison, compare
from tests.upstream.fetch import Unavailable
from tests.upstream.page import write
from tests.upstream.run import Unbelievable
from tests.upstream.suites import SUITES, named


def say(text: str) -> None:
    """To people: standard output is for programs."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Compare the suites; 1 if one differs without a reason, or shows nothing, or cannot be had."""
    parser = argparse.ArgumentParser(prog="dev.py upstream", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(SUITES)}; all by default")
    parser.add_argument("--slice", action="store_true", help="only the part that CI runs")
    parser.add_argument("--json", action="store_true", help="print the results as an object")
    parser.add_argument("--write", action="store_true", help="put them into docs/reference/compatibility.md")
    options = parser.parse_args(arguments)
    if options.slice and options.write:
        parser.error("--write is for whole suites: a slice says too little")
    try:
        suites = named(options.names)
    except KeyError as unknown:
        parser.error(f"there is no suite {unknown}; there are: {', '.join(SUITES)}")
    comparisons: list[Comparison] = []
    failed = False
    for suite in suites:
        say(f"{suite.name}: {suite.distribution} {suite.version}, bare and guarded ...")
        try:
            comparison = compare(suite, suite.slice if options.slice else suite.whole)
        except (Unavailable, Unbelievable, ServerUnavailable) as problem:
            say(f"{suite.name}: {problem}")
            failed = True
            continue
        comparisons.append(comparison)
        say(f"{suite.name}: {summary(comparison)}")
        for line in (
            *(f"passes only when it is run again: {test}" for test in comparison.unsteady),
            *comparison.problems,
        ):
            say(f"{suite.name}: {line}")
        failed = failed or bool(comparison.problems)
    if options.write:
        write(comparisons)
    if options.json:
        print(json.dumps({"suites": {comparison.suite.name: as_object(comparison) for comparison in comparisons}}))
    return 1 if failed else 0


def summary(comparison: Comparison) -> str:
    """One line for people."""
    return (
        f"{len(comparison.bare.passed):,} tests pass bare, {comparison.guarded_passed:,} guarded, "
        f"{len(comparison.differences)} differ; {comparison.guarded.calls:,} calls through the guard; "
        f"{comparison.bare.seconds:.0f} s and {comparison.guarded.seconds:.0f} s"
    )


def as_object(comparison: Comparison) -> dict[str, object]:
    """The same for programs."""
    return {
        "version": comparison.suite.version,
        "bare_passed": len(comparison.bare.passed),
        "guarded_passed": comparison.guarded_passed,
        "differences": list(comparison.differences),
        "guarded_calls": comparison.guarded.calls,
        "seconds": round(comparison.bare.seconds + comparison.guarded.seconds, 1),
    }


def _end(_signal: int, _frame: object) -> None:
    sys.exit(143)  # by way of an exception, so that pytest and the servers are ended too


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
