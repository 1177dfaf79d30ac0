"""The command, with its real servers: what it promises, and that nothing is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from switchgear.cli._app import app
from switchgear.testing.servers._family import family
from tests.observers.promtool import needs_promtool, promtool
from tests.testing.support import is_dead

#: Half of it is the show itself; the other half for machines that are busy.
TIMEOUT = 120


class Run:
    """`switchgear demo` as a child process, with a directory of its own for all temporary files."""

    def __init__(self, home: Path, *arguments: str, **environment: str) -> None:
        self._home = home
        self._seen: set[int] = set()
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from switchgear.cli import main; main()", "demo", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": str(home), **environment},
        )  # fmt: skip
        self.progress: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def until(self, text: str) -> None:
        """Reads what it says of its progress, until it says that."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.progress.append(line)
            self._look()
            if text in line:
                return
        pytest.fail(f"It ended without saying {text!r}: {''.join(self.progress)}")

    def end(self) -> str:
        """Waits for the end, and that it is one of everything; returns what it printed."""
        self._look()
        printed, progress = self.process.communicate(timeout=TIMEOUT)
        self.progress.append(progress)
        assert {pid for pid in self._seen if not is_dead(pid)} == set()
        assert list(self._home.iterdir()) == []
        return printed

    def read(self, path: str) -> str:
        """One of its endpoints, at the address that it has named."""
        address = next(line.split()[-1] for line in self.progress if "browser" in line)
        with urlopen(address + path) as answer:
            return str(answer.read().decode())

    @property
    def servers(self) -> int:
        """How many processes it has had beside itself."""
        return len(self._seen) - 1

    def _look(self) -> None:
        self._seen |= family(self.process.pid)


@pytest.fixture
def home() -> Iterator[Path]:
    # Not pytest's tmp_path: SeaweedFS' sockets need a short one.
    with tempfile.TemporaryDirectory(prefix="demo-", dir="/tmp") as path:
        yield Path(path)


@pytest.mark.timeout(TIMEOUT)
def test_four_backends_break_and_recover_and_the_rest_goes_on(home: Path) -> None:
    """Every breaker trips and recovers, requests that need nothing broken are answered, and one object says so."""
    with Run(home, "--headless", "--json", "--duration", "30", "--seed", "5") as run:
        run.until("admits all calls again")
        seen = json.loads(run.read("api/state"))
        assert {capability["name"] for capability in seen["capabilities"]} == {"browse", "picture", "ask", "order"}
        result = json.loads(run.end())
        assert run.process.returncode == 0
    assert run.servers > 4
    assert set(result) == {"ok", "services", "capabilities", "goodput", "seed"}
    assert (result["ok"], result["seed"]) == (True, 5)
    assert {name: service["plugin"] for name, service in result["services"].items()} == {
        "cache": "redis", "files": "s3", "llm": "openai", "db": "db"
    }  # fmt: skip
    for service in result["services"].values():
        assert any(character.isdigit() for character in service["server"])
        assert service["calls"] > service["failures"] >= 0
        assert service["refused"] > 0
        assert service["trips"] >= 1
        assert service["recovered"]
        assert 0 <= service["time_to_protect"] < 10
        assert 0 <= service["time_to_recover"] < 10
    for capability in result["capabilities"].values():
        times, levels = zip(*capability["levels"], strict=True)
        assert (times[0], levels[0]) == (0, "FULL")
        assert list(times) == sorted(times)
        assert capability["goodput"]["before"] == 1
    # What needs a broken service falls with it; who only prefers the cache loses little.
    lowest = {name: capability["lowest"] for name, capability in result["capabilities"].items()}
    assert lowest["ask"] == lowest["picture"] == "OFF"
    assert lowest["browse"] != "FULL"
    assert result["goodput"]["during_fault"] >= 0.95
    assert min(result["goodput"].values()) >= 0.9


@needs_promtool
@pytest.mark.timeout(TIMEOUT)
def test_promtool_has_nothing_to_say_of_its_metrics(home: Path) -> None:
    """Names, types, help texts and labels, after a breaker has been through all of its states."""
    with Run(home, "--headless", "--json", "--duration", "30", "--seed", "5") as run:
        run.until("browser")
        run.read("metrics")  # events are counted from the first time on
        run.until("admits all calls again")
        metrics = run.read("metrics")
        run.process.send_signal(signal.SIGINT)
        run.end()
    assert all(f"switchgear_{backend}_" in metrics for backend in ("redis", "s3", "openai", "db"))
    assert "switchgear_breaker_transitions_total{" in metrics
    assert promtool("check", "metrics", stdin=metrics) == ""


@pytest.mark.timeout(TIMEOUT)
def test_ctrl_c_while_a_backend_is_broken_ends_everything(home: Path) -> None:
    """Exit code 130, no server and no file left."""
    with Run(home, "--headless", "--json", "--duration", "30", "--seed", "5") as run:
        run.until(": ")
        run.process.send_signal(signal.SIGINT)
        assert run.end() == ""
        assert run.process.returncode == 130
    assert run.servers > 4


@pytest.mark.timeout(TIMEOUT)
def test_sigterm_while_servers_start_ends_those_that_have(home: Path) -> None:
    """Exit code 143, also when some servers run, some are starting and some are not there yet."""
    with Run(home, "--headless", "--json") as run:
        run.until("serves after")
        run.process.send_signal(signal.SIGTERM)
        assert run.end() == ""
        assert run.process.returncode == 143
    assert run.servers > 1


@pytest.mark.timeout(TIMEOUT)
def test_a_server_that_cannot_be_had_is_one_paragraph(home: Path) -> None:
    """Exit code 2, what to do about it, and the servers that had started are ended."""
    with Run(home, SWITCHGEAR_REDIS_BIN="/no/such/server") as run:
        assert "Starting" in run.end()
        assert run.process.returncode == 2
    [line] = "".join(run.progress).splitlines()
    assert line == "Error: SWITCHGEAR_REDIS_BIN names /no/such/server, which is not a program. Correct or unset it."


@pytest.mark.parametrize("duration", ["29.9", "0", "-1", "nan", "inf", "soon"])
def test_a_duration_that_cannot_be_is_refused(duration: str) -> None:
    """Exit code 2 before anything is started; the message says how long it has to be."""
    result = CliRunner().invoke(app, ["demo", "--duration", duration])
    assert result.exit_code == 2
    assert "--duration" in result.output
    assert "Give 30" in result.output or duration == "soon"
