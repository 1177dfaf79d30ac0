"""A plugin of pytest, loaded inside a client's own suite: writes down how each test ended, as it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


class Outcomes:
    """The worst of setup, call and teardown, and of subtests, is a test's outcome."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a", buffering=1)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            print(json.dumps([report.nodeid, report.outcome]), file=self._file)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            print(json.dumps([report.nodeid, "failed"]), file=self._file)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # xdist: the workers' reports come to the controller
        outcomes = Outcomes(Path(os.environ["SWITCHGEAR_UPSTREAM"], "outcomes"))
        config.pluginmanager.register(outcomes, "switchgear-upstream-outcomes")
