from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.planted import Garden


@pytest.fixture
def garden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Garden:
    """Planted distributions; a program sees them too."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Garden(tmp_path, monkeypatch)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes switchgear.toml into the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> str:
        Path("switchgear.toml").write_text(text)
        return "switchgear.toml"

    return write
