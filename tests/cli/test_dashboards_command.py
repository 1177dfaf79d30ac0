"""`switchgear dashboards`: files that Grafana imports."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from switchgear.cli._app import app


def test_a_file_for_each_board(tmp_path: Path) -> None:
    """Named after its address, in a directory that is made; their names are printed. Again, they are written anew."""
    out = tmp_path / "grafana" / "switchgear"
    first, done = (CliRunner().invoke(app, ["dashboards", "--out", str(out)]) for _ in range(2))
    assert (first.exit_code, done.exit_code, first.stdout) == (0, 0, done.stdout)
    files = [Path(line) for line in done.stdout.splitlines()]
    assert sorted(files) == sorted(out.iterdir())
    boards = {file.stem: json.loads(file.read_text()) for file in files}
    assert {uid: board["uid"] for uid, board in boards.items()} == {
        uid: uid for uid in ("switchgear-overview", "switchgear-service", "switchgear-capability")
    }
    titles = {panel["title"] for panel in boards["switchgear-service"]["panels"]}
    assert {f"Plugin: {name}" for name in ("db", "openai", "redis", "s3")} <= titles


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    """It says so, in a paragraph."""
    (tmp_path / "taken").write_text("")
    done = CliRunner().invoke(app, ["dashboards", "--out", str(tmp_path / "taken" / "below")])
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: The dashboards cannot be written: ")
    assert done.stderr.endswith(" Give another directory.\n")
