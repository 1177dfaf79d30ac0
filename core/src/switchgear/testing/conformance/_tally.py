"""A plugin for pytest that keeps to the suites of one plugin of ours, and counts what they come to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest  # noqa: TC002 - pytest looks at what hooks are annotated with

from switchgear.testing.conformance import Conformance


def pytest_addoption(parser: pytest.Parser) -> None:
    """Given by `python -m switchgear.testing.conformance`, which runs this."""
    parser.addoption("--conformance-of", help="the plugin whose suites are run")
    parser.addoption("--conformance-summary", type=Path, help="the file that the summary goes into")


def pytest_configure(config: pytest.Config) -> None:
    """Count for the plugin that was named."""
    name, summary = config.getoption("--conformance-of"), config.getoption("--conformance-summary")
    if name is not None and summary is not None:
        config.pluginmanager.register(Tally(name, summary))


class Tally:
    """What came of each check."""

    def __init__(self, plugin: str, summary: Path) -> None:
        self._plugin = plugin
        self._summary = summary
        self._passed = 0
        self._failed: list[dict[str, str]] = []
        self._xfailed: list[dict[str, str]] = []
        self._skipped: list[dict[str, str]] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what is no check of this plugin."""
        suites = {item: suite for item in items if (suite := _suite_of(item)) and suite.plugin == self._plugin}
        items[:] = suites
        for suite in dict.fromkeys(suites.values()):
            check = "every_operation_is_guarded"
            self._xfailed += [{"check": f"{check}[{name}]", "reason": why} for name, why in suite.unguarded.items()]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A check has ended, or what it needs could not be set up."""
        check = report.nodeid.rpartition("::")[2].removeprefix("test_")
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self._failed.append({"check": check, "reason": str(getattr(crash, "message", report.longrepr)).strip()})
        elif hasattr(report, "wasxfail"):
            self._xfailed.append({"check": check, "reason": report.wasxfail})
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            self._skipped.append({"check": check, "reason": reason.removeprefix("Skipped: ")})
        elif report.when == "call":
            self._passed += 1

    def pytest_sessionfinish(self) -> None:
        """Sum up."""
        summary: dict[str, Any] = {
            "plugin": self._plugin,
            "checks": self._passed + len(self._failed) + len(self._xfailed),
            "passed": self._passed,
            "failed": self._failed,
            "xfailed": self._xfailed,
            "skipped": self._skipped,
        }
        self._summary.write_text(json.dumps(summary))


def _suite_of(item: pytest.Item) -> type[Conformance] | None:
    suite = getattr(item, "cls", None)
    return suite if isinstance(suite, type) and issubclass(suite, Conformance) else None
