"""Writes the parts of the docs that are drawn from the code: `python -m docs.generate`, or `--check` for drift."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from switchgear import Reason, State
from switchgear.lowlevel import OPERATIONS, TRANSITIONS

DOCS = Path(__file__).parent

WHY = {
    Reason.FAILURE_RATE: "the share of bad calls in the window has reached its threshold",
    Reason.SLOW_CALL_RATE: "the share of slow calls has, those in flight for too long included",
    Reason.CONSECUTIVE_FAILURES: "so many calls in a row have failed",
    Reason.THROTTLED: "the backend asked to wait for a time",
    Reason.EXHAUSTED: "the backend will not serve until a moment, known or not",
    Reason.RELAPSE: "a rule was broken again at the foot of the ramp",
    Reason.WAIT_ELAPSED: "the wait, or an operator's time limit, is over",
    Reason.PROBES_PASSED: "the probes still to come cannot fail the round any more",
    Reason.PROBES_FAILED: "the probes still to come cannot save the round any more",
    Reason.PROBES_OVERDUE: "`max_wait_in_half_open` is over without a decision",
    Reason.MAJORITY: "most of the service's active domains are not closed",
    Reason.SERVICE_WIDE: "one outcome spoke for all domains of the service",
    Reason.OPERATOR: "somebody said so",
}


def state_machine() -> str:
    """The page on states: a diagram and a table, both from the table that the machine runs on."""
    arrows: dict[tuple[State, State], list[str]] = {}
    rows = []
    for came_from, reasons in TRANSITIONS.items():
        for reason, to in reasons.items():
            arrows.setdefault((came_from, to), []).append(str(reason))
            rows.append(f"| {came_from} | {to} | `{reason}` | {WHY[reason]} |")
    drawn = [f"    {came_from} --> {to}: {'<br>'.join(why)}" for (came_from, to), why in arrows.items()]
    operated = [f"| `{operation}` | {to} |" for operation, to in OPERATIONS.items()]
    return "\n".join([
        "# The states of a breaker",
        "",
        "This page is drawn from `TRANSITIONS` and `OPERATIONS` in `switchgear/_breaker.py` by `python3 dev.py docs`.",
        "What is not here cannot happen.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {State.CLOSED}",
        *drawn,
        "```",
        "",
        "| from | to | reason | when |",
        "|---|---|---|---|",
        *rows,
        "",
        "An operator moves a breaker from any state; the reason is `operator`:",
        "",
        "| operation | to |",
        "|---|---|",
        *operated,
        "",
        "In METRICS_ONLY whatever would have led to OPEN is told as a suppressed trip, and the state stays. A relapse",
        "higher up the ramp halves the share of admitted calls, and the state stays CLOSED.",
        "[How the breaker decides](breaker.md) says more.",
        "",
    ])  # fmt: skip


PAGES: dict[str, Callable[[], str]] = {"state-machine.md": state_machine}


def main(arguments: list[str]) -> int:
    """Write all pages, or with --check name those that have drifted; 1 if there are any."""
    drifted = []
    for name, page in PAGES.items():
        path, text = DOCS / name, page()
        if path.is_file() and path.read_text() == text:
            continue
        if "--check" in arguments:
            drifted.append(name)
        else:
            path.write_text(text)
            print(f"wrote docs/{name}")
    if drifted:
        print(f"Drifted from the code: {', '.join(drifted)}. Run: python3 dev.py docs", file=sys.stderr)
    return 1 if drifted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
