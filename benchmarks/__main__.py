"""`python -m benchmarks [--rounds N] [--json] [--write]`."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

from benchmarks.cases import CASES, WINDOWS, memory, window_cost
from benchmarks.contenders import installed, label
from benchmarks.imports import MODULES, import_cost
from benchmarks.measure import Figure, interleave
from benchmarks.strategies import STRATEGIES, strategy

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "performance.md"
BEGIN, END = "<!-- measured: written by python -m benchmarks --write -->", "<!-- /measured -->"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(rounds: int) -> dict[str, object]:
    """Everything, as plain data."""
    factories = installed()
    report: dict[str, object] = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "rounds": rounds,
        "contenders": {name: {"version": label(name), "features": make().features} for name, make in factories.items()},
    }
    cases: dict[str, dict[str, Figure]] = {}
    for title, case in CASES.items():
        say(f"{title} ...")
        runs = {name: made for name, make in factories.items() if (made := case(make)) is not None}
        cases[title] = interleave(runs, rounds=rounds, against=("bare", "floor"))
    strategies: dict[str, dict[str, Figure]] = {}
    for title in STRATEGIES:
        say(f"{title} ...")
        strategies[title] = interleave(strategy(title), rounds=rounds, against=("none",))
    say("windows ...")
    windows = interleave(
        {title: window_cost(window) for title, window in WINDOWS.items()}, rounds=rounds, against=tuple(WINDOWS)[1:2]
    )
    say("memory ...")
    report["memory"] = {
        name: memory(make) for name, make in factories.items() if make().guard and name not in {"bare", "null wrapper"}
    }
    say("imports ...")
    report["imports"] = {name: import_cost(module) for name, module in MODULES.items()}
    report["cases"] = {
        t: {n: {"least": f.least, **f.ratios} for n, f in figures.items()} for t, figures in cases.items()
    }
    report["strategies"] = {
        t: {n: {"least": f.least, **f.ratios} for n, f in figures.items()} for t, figures in strategies.items()
    }
    report["windows"] = {title: {"least": figure.least, **figure.ratios} for title, figure in windows.items()}
    return report


def page(report: dict) -> str:
    """The report as tables."""
    lines = [
        f"{report['python']}, {report['rounds']} interleaved rounds. Ratios: medians over rounds; ns: the least.",
        "",
    ]
    titles = list(report["cases"])
    lines += ["| x bare / x floor | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for name, about in report["contenders"].items():
        cells = []
        for title in titles:
            figure = report["cases"][title].get(name)
            if figure is None:
                cells.append("-")
            else:
                floor = f" / {figure['floor']:.2f}" if "floor" in figure else ""
                cells.append(f"{figure['bare']:.1f}{floor} ({figure['least']:,.0f} ns)")
        lines.append(f"| {about['version']} | " + " | ".join(cells) + " |")
    lines += ["", "| contender | features measured |", "|---|---|"]
    lines += [f"| {about['version']} | {about['features']} |" for about in report["contenders"].values()]
    lines += [
        "",
        "| bytes a breaker | fresh | after 100 good calls | after 100 with a third failing |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | " + " | ".join(f"{v:,.0f}" for v in sizes.values()) + " |"
        for name, sizes in report["memory"].items()
    ]
    lines += ["", "| a strategy round a call that succeeds at once | ns (x the bare call) |", "|---|---|"]
    for title, figures in report["strategies"].items():
        told = [f"{name} {f['least']:,.0f} ({f['none']:.0f} x)" for name, f in figures.items() if name != "none"]
        lines.append(f"| {title} | {', '.join(told)} |")
    lines += ["", "| our window | ns a call, one in ten failing | x the window of 100 calls |", "|---|---|---|"]
    for title, figure in report["windows"].items():
        ratio = next(value for key, value in figure.items() if key != "least")
        lines.append(f"| {title} | {figure['least']:,.0f} | {ratio:.2f} |")
    lines += ["", "| import, CPU ms on top of asyncio and anyio | |", "|---|---|"]
    lines += [f"| {name} | {cost:.1f} |" for name, cost in report["imports"].items()]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="interleaved rounds of each case (default 60)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--write", action="store_true", help="also put the tables into docs/reference/performance.md")
    options = parser.parse_args()
    report = run(options.rounds)
    print(json.dumps(report, indent=2) if options.json else page(report))
    if options.write:
        text = PAGE.read_text()
        before, rest = text.split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{page(report)}\n\n{END}{rest.split(END)[1]}")
        say(f"Written to {PAGE.name}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
