"""Run a plugin's conformance suite, and sum up.

A suite is a subclass of Conformance in a test_conformance.py. It is looked for in the paths that are given; if none is,
in the sources of a plugin whose installation is editable, and of any other below the current directory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from switchgear._plugins import GROUP

#: Where an author has the suite.
_FILE = "test_conformance.py"
#: Folders whose names begin so hold what was made or installed.
_ELSEWHERE = (".", "build", "dist", "node_modules", "site-packages")


def main(arguments: list[str] | None = None) -> int:
    """Run the suite. 0: nothing failed; 1: something did; 2: there is no such suite."""
    parser = argparse.ArgumentParser(prog="python -m switchgear.testing.conformance", description=__doc__)
    parser.add_argument("--plugin", required=True, help="the entry point's name")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("--badge", type=Path, help="write a badge into this file (an endpoint for shields.io)")
    parser.add_argument("path", nargs="*", type=Path, help="a suite, or a folder that has it")
    given = parser.parse_args(arguments)
    places = given.path or _sources(given.plugin) or [Path()]
    files = sorted({file.resolve() for place in places for file in _suites(place)})
    with TemporaryDirectory() as folder:
        summary, said = _run(given.plugin, files, Path(folder, "summary.json"), quiet=given.json)
    if summary is None or not summary["checks"]:
        looked = ", ".join(str(place.resolve()) for place in places)
        print(  # noqa: T201
            f"{said}There is no suite of the plugin {given.plugin!r} in a {_FILE} in {looked}. "
            "If it is elsewhere, give its path; if it could not be imported, install it: pip install -e .",
            file=sys.stderr,
        )
        return 2
    print(json.dumps(summary) if given.json else _told(summary))  # noqa: T201
    if given.badge:
        given.badge.write_text(json.dumps(_badge(summary)))
    return 1 if summary["failed"] else 0


def _run(plugin: str, files: list[Path], summary: Path, *, quiet: bool) -> tuple[dict[str, Any] | None, str]:
    """The summary, if it came to one, and what pytest printed."""
    if not files:
        return None, ""
    # A process of its own, since pytest wants to be there before what it runs is imported.
    command = [sys.executable, "-m", "pytest", "-q", "-n0"] if _spreads() else [sys.executable, "-m", "pytest", "-q"]
    command += ["-p", "switchgear.testing.conformance._tally", "--conformance-of", plugin]
    command += ["--conformance-summary", str(summary), *map(str, files)]
    # Some checks are long: no limit that is meant for unit tests may end them.
    environment = {**os.environ, "PYTEST_TIMEOUT": "0"}
    ran = subprocess.run(command, env=environment, capture_output=quiet, text=True, check=False)
    return (json.loads(summary.read_text()) if summary.exists() else None), ran.stdout or ""


def _spreads() -> bool:
    """Whether pytest-xdist is there, whose workers would each have servers of their own."""
    from importlib.util import find_spec

    return find_spec("xdist") is not None


def _suites(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    found: list[Path] = []
    for folder, folders, files in os.walk(place):  # which passes over folders that vanish meanwhile
        folders[:] = [name for name in folders if not name.startswith(_ELSEWHERE)]
        if _FILE in files:
            found.append(Path(folder, _FILE))
    return found


def _sources(plugin: str) -> list[Path]:
    """Where the plugin is written, if its installation says so."""
    found = [point.dist.read_text("direct_url.json") for point in entry_points(group=GROUP, name=plugin) if point.dist]
    origins: list[dict[str, Any]] = [json.loads(origin) for origin in found if origin]
    editable: list[str] = [origin["url"] for origin in origins if origin.get("dir_info", {}).get("editable")]
    return [Path(url2pathname(urlsplit(url).path)) for url in editable]


def _told(summary: dict[str, Any]) -> str:
    lines = [f"\n{summary['plugin']}: {_counted(summary)} of {summary['checks']}"]
    for what in ("failed", "xfailed", "skipped"):
        lines += [f"  {what}: {each['check']}: {each['reason']}" for each in summary[what]]
    return "\n".join(lines)


def _counted(summary: dict[str, Any]) -> str:
    """Deviations too: they are no secret."""
    counts = {"failed": len(summary["failed"]), "passed": summary["passed"], "xfailed": len(summary["xfailed"])}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _badge(summary: dict[str, Any]) -> dict[str, Any]:
    color = "red" if summary["failed"] else "yellowgreen" if summary["xfailed"] else "brightgreen"
    return {"schemaVersion": 1, "label": "switchgear conformance", "message": _counted(summary), "color": color}


if __name__ == "__main__":
    sys.exit(main())
