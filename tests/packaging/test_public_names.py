"""The public doors are exactly what they say: `__all__`, nothing more, nothing less."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

DOORS = [
    "switchgear",
    "switchgear.lowlevel",
    "switchgear.spi",
    "switchgear.testing",
    "switchgear_db",
    "switchgear_openai",
    "switchgear_redis",
    "switchgear_s3",
]
NOT_OURS = {"annotations", "TYPE_CHECKING"}


def public_names(door: ModuleType) -> set[str]:
    """Names without an underscore that are neither modules nor borrowed from another project."""

    def is_ours(name: str) -> bool:
        value = getattr(door, name)
        home = getattr(value, "__module__", None) or door.__name__
        return not isinstance(value, ModuleType) and home.partition(".")[0].startswith("switchgear")

    return {name for name in dir(door) if not name.startswith("_") and name not in NOT_OURS and is_ours(name)}


@pytest.mark.parametrize("name", DOORS)
def test_all_is_the_public_surface(name: str) -> None:
    """A name is public if and only if `__all__` has it (ruff keeps the order)."""
    door = importlib.import_module(name)
    assert sorted(public_names(door)) == sorted(door.__all__)
