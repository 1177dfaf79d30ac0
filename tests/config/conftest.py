from __future__ import annotations

from pathlib import Path

import pytest

from switchgear._config import read_toml
from switchgear._gear_config import GearConfig
from tests.config.support import Read
from tests.planted import Garden


@pytest.fixture
def garden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Garden:
    """With the plugin "memory" in it."""
    garden = Garden(tmp_path, monkeypatch)
    garden.plant("memory")
    return garden


@pytest.fixture
def read(garden: Garden) -> Read:
    """Reads a text as the file switchgear.toml."""

    def read(text: str, **environ: str) -> GearConfig:
        path = garden.folder / "switchgear.toml"
        path.write_text(text)
        return read_toml(path, environ)

    return read
