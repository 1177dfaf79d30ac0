"""What plugin authors can hook into is in the docs, as it is in the code."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from switchgear import _hookspecs

DOCS = Path(__file__).parents[2] / "docs"
HOOKS = [name for name, value in vars(_hookspecs).items() if hasattr(value, "switchgear_spec")]


def test_there_are_hooks() -> None:
    """The test below looks at something."""
    assert {"register_backends", "register_strategies"} <= set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_is_documented_with_its_signature(name: str) -> None:
    """Word for word, so that what is copied from the page works."""
    signature = str(inspect.signature(getattr(_hookspecs, name))).replace("'", "")
    assert f"@hookimpl\ndef {name}{signature}:" in (DOCS / "plugins.md").read_text()
    assert inspect.getdoc(getattr(_hookspecs, name))
