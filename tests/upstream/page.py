"""Writes the results into docs/reference/compatibility.md."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.upstream.compare import Comparison
from tests.upstream.suites import SUITES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "compatibility.md"
BEGIN, END = "<!-- measured: written by python3 dev.py upstream --write -->", "<!-- /measured -->"
HEAD = (
    "| suite | client | pass bare | pass guarded | differ | when run again | guarded calls | s bare | s guarded |\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)


def write(comparisons: Iterable[Comparison]) -> None:
    """Put a row for each into the table; rows of other suites stay."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    table, _, after = rest.partition(END)
    rows = {
        line.split(" | ")[0].removeprefix("| "): f"{line}\n" for line in table.splitlines() if line.startswith("| ")
    }
    rows |= {comparison.suite.name: row(comparison) for comparison in comparisons}
    PAGE.write_text(f"{before}{BEGIN}\n\n{HEAD}{''.join(rows[name] for name in SUITES if name in rows)}\n{END}{after}")


def row(comparison: Comparison) -> str:
    """One suite's line of the table."""
    bare, guarded, suite = comparison.bare, comparison.guarded, comparison.suite
    return (
        f"| {suite.name} | {suite.distribution} {suite.version} | {len(bare.passed):,} | {comparison.guarded_passed:,} "
        f"| {len(comparison.differences)} | {len(comparison.unsteady)} | {guarded.calls:,} "
        f"| {bare.seconds:.0f} | {guarded.seconds:.0f} |\n"
    )
