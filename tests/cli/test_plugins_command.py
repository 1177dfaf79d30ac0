"""`switchgear plugins` shows every plugin's state, and none of them can stop it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cli.support import program, run
from tests.planted import WORKING, Garden

if TYPE_CHECKING:
    import pytest

BOTH = {"SWITCHGEAR_PLUGINS": "memory,broken"}


def test_the_table(garden: Garden) -> None:
    """Name, dist, version, SPI, number of operations, state, error."""
    garden.plant("memory")
    garden.plant("broken", "raise RuntimeError('out of luck')")
    shown = run("plugins", COLUMNS="200", **BOTH)
    assert shown.exit_code == 0
    heading, *rows = [line.split() for line in shown.stdout.splitlines()]
    assert heading == ["name", "dist", "version", "SPI", "operations", "state", "error"]
    by_name = {row[0]: row for row in rows}
    assert by_name["memory"] == ["memory", "dist-of-memory", "1.2", "1.0", "2", "ACTIVE"]
    assert by_name["broken"][:7] == ["broken", "dist-of-broken", "1.2", "BROKEN", "RuntimeError:", "out", "of"]
    assert by_name["redis"][:5] == ["redis", "switchgear-redis", by_name["redis"][2], "BLOCKED", "It"]


def test_as_json(garden: Garden) -> None:
    """The shape that programs rely on."""
    garden.plant("memory", dist="memory-plugin")
    garden.plant("broken", "raise RuntimeError('out of luck')")
    shown = program("plugins", "--json", **BOTH)
    assert shown.returncode == 0
    plugins = {plugin["name"]: plugin for plugin in json.loads(shown.stdout)}
    assert plugins["memory"] == {
        "name": "memory",
        "dist": "memory-plugin",
        "version": "1.2",
        "spi": "1.0",
        "operations": ["memory.get", "memory.set"],
        "state": "ACTIVE",
        "error": None,
    }
    assert plugins["broken"] == {
        "name": "broken",
        "dist": "dist-of-broken",
        "version": "1.2",
        "spi": None,
        "operations": [],
        "state": "BROKEN",
        "error": "RuntimeError: out of luck. Upgrade dist-of-broken, or report this to its authors.",
    }


def test_ours_are_active_beside_a_broken_one(garden: Garden) -> None:
    """The four plugins of this workspace, with a fifth one that exits when it is imported."""
    garden.plant("broken", "import sys; sys.exit('no')")
    shown = program("plugins", "--json")
    assert shown.returncode == 0
    states = {plugin["name"]: plugin["state"] for plugin in json.loads(shown.stdout)}
    ours = dict.fromkeys(("db", "openai", "redis", "s3"), "ACTIVE")
    assert states == {**ours, "broken": "BROKEN"}


def test_what_a_plugin_prints_is_not_in_the_json(garden: Garden) -> None:
    """Standard output is ours; a plugin that prints while it is imported is heard on standard error."""
    garden.plant("memory", WORKING + "\nprint('hello from a plugin')\n")
    shown = program("plugins", "--json", SWITCHGEAR_PLUGINS="memory")
    assert json.loads(shown.stdout)
    assert "hello from a plugin" in shown.stderr


def test_where_it_broke(garden: Garden) -> None:
    """--traceback is for authors: it says the file and the line."""
    module = garden.plant("broken", "\n\nraise RuntimeError('out of luck')")
    shown = run("plugins", "--traceback", COLUMNS="200", SWITCHGEAR_PLUGINS="broken")
    assert f'{module}.py", line 3' in shown.stdout
    assert "Traceback" not in run("plugins", SWITCHGEAR_PLUGINS="broken").stdout


def test_a_wrong_allow_list(garden: Garden) -> None:
    """A misspelt name is exit code 2 and the nearest one."""
    garden.plant("memory")
    shown = program("plugins", SWITCHGEAR_PLUGINS="memori")
    assert shown.returncode == 2
    assert shown.stderr == "Error: SWITCHGEAR_PLUGINS: There is no plugin 'memori'. Did you mean 'memory'?\n"


def test_no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing installed is nothing wrong, and the way to the first one is said."""
    monkeypatch.setattr("switchgear._plugins.distributions", list)
    assert 'pip install "switchgear-redis"' in run("plugins").stdout
    assert json.loads(run("plugins", "--json").stdout) == []
