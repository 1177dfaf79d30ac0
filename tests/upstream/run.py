"""Runs a client's own suite once, bare or guarded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.upstream import fetch
from tests.upstream.suite import Suite

INSIDE = Path(__file__).parent / "inside"
#: Seconds after which a run hangs; the longest takes some ten minutes where nothing else runs.
_LONGEST = 3600.0
#: All passed; some failed.
_RAN = {0, 1}


class Unbelievable(Exception):
    """A run says nothing about the guard; says why."""


@dataclass(frozen=True)
class Ran:
    """How each test ended, by its id: passed, failed, or skipped, as are those that fail as expected."""

    outcomes: dict[str, str]
    calls: int  #: through the guard
    seconds: float

    @property
    def passed(self) -> set[str]:
        """The tests that passed."""
        return {test for test, outcome in self.outcomes.items() if outcome == "passed"}

    @property
    def failed(self) -> set[str]:
        """The tests that failed."""
        return {test for test, outcome in self.outcomes.items() if outcome == "failed"}


def run(suite: Suite, chosen: Sequence[str], *, guarded: bool) -> Ran:
    """Run the chosen tests on servers of their own. Raises Unavailable and Unbelievable."""
    folder = fetch.sdist(suite.distribution, suite.version, suite.parts, suite.release)
    path = [INSIDE, *([fetch.packages(suite.requirements)] if suite.requirements else [])]
    log = fetch.CACHE / f"{suite.name}-{'guarded' if guarded else 'bare'}.log"
    plugins = ["-p", "upstream_outcomes", *(["-p", suite.swap] if guarded else []), "-p", "no:cacheprovider"]
    with tempfile.TemporaryDirectory() as notes, suite.prepare(folder) as made:
        started = time.monotonic()
        code = _pytest(
            [*plugins, *suite.options, *made.arguments, *chosen],
            folder=made.folder,
            environment={
                **os.environ,
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # the workspace's plugins are not the suite's
                "PYTHONPATH": os.pathsep.join(map(str, path)),
                "PYTHONDONTWRITEBYTECODE": "1",
                "SWITCHGEAR_UPSTREAM": notes,
                "SWITCHGEAR_UPSTREAM_BACKEND": suite.backend,
                **made.environment,
            },
            log=log,
        )
        seconds = time.monotonic() - started
        outcomes = _outcomes(Path(notes, "outcomes"))
        calls = sum(int(file.read_text()) for file in Path(notes).glob("calls-*"))
    if code not in _RAN or not outcomes:
        raise Unbelievable(f"pytest ended with exit code {code} after {len(outcomes)} tests. It said, in {log}:\n"
                           f"{log.read_text(errors='replace')[-2000:]}")  # fmt: skip
    return Ran(outcomes, calls, seconds)


def _pytest(arguments: Sequence[str], *, folder: Path, environment: dict[str, str], log: Path) -> int:
    command = [sys.executable, "-m", "pytest", *arguments]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            return process.wait(_LONGEST)
        except subprocess.TimeoutExpired:
            raise Unbelievable(f"pytest did not end within {_LONGEST:.0f} s. {log} says how far it came.") from None
        finally:
            if process.poll() is None:  # it hangs, or whoever waits for it is being ended
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _outcomes(file: Path) -> dict[str, str]:
    outcomes: dict[str, str] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        test, outcome = json.loads(line)
        if outcomes.get(test) != "failed":
            outcomes[test] = outcome
    return outcomes
