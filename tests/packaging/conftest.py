"""What the tests of packaging share."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.packaging.clean import CleanEnvironment, built

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> CleanEnvironment:
    """Where only switchgear[cli,testing] is installed, from its wheel, and what builds other wheels."""
    folder = tmp_path_factory.mktemp("clean")
    environment = CleanEnvironment(folder / "venv")
    environment.install(built(ROOT / "core", folder), "cli", "testing")
    environment.copy(map(Requirement, ("hatchling", "editables")))
    return environment
