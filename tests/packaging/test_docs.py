"""What plugin authors can hook into is in the docs, as it is in the code, and is tested."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from docs.hooks import CLASSES, OTHERS, functions, hooks, plugin_interface, signature
from switchgear import spi

ROOT = Path(__file__).parents[2]
HOOKS = hooks()


def section(title: str, text: str) -> str:
    """What the page says under a heading."""
    found = re.search(rf"^### {title}\n(.*?)(?=^##|\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"nothing about {title}"
    return found[1]


def test_there_are_hooks() -> None:
    """The tests below look at something."""
    assert {"register_backends", "register_strategies"} <= set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_is_documented_with_its_signature(name: str) -> None:
    """Word for word, so that what is copied from a page works: in the reference, and with an example."""
    said = inspect.getdoc(HOOKS[name])
    assert said
    assert signature(HOOKS[name]) in section(name, (ROOT / "docs/hooks.md").read_text())
    assert said in section(name, (ROOT / "docs/hooks.md").read_text())
    assert signature(HOOKS[name]) in (ROOT / "docs/plugins.md").read_text()


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_is_tested(name: str) -> None:
    """By a test that is called after it."""
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    assert f"def test_hook_{name}(" in tests


def test_every_name_of_the_interface_is_documented() -> None:
    """And no other."""
    documented = [*OTHERS, *functions(), *(name for names in CLASSES.values() for name in names)]
    assert sorted(documented) == sorted(spi.__all__)


@pytest.mark.parametrize("name", CLASSES["What a backend declares"])
def test_every_field_that_a_plugin_fills_in_is_explained(name: str) -> None:
    """In the `#:` comment that stands beside it in the code."""
    rows = re.findall(r"^\| `(\w+)` \| `.*` \| .* \| (.*) \|$", section(name, plugin_interface()), re.MULTILINE)
    assert rows
    assert [field for field, explained in rows if not explained.strip()] == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """From page to page, and to the headings in them."""
    for file, heading in re.findall(r"\]\(([\w./-]*\.md)?(#[\w-]+)?\)", page.read_text()):
        target = page.parent / file if file else page
        assert target.is_file(), f"{page.name} links to {file}, which is not there"
        headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
        anchors = {"#" + re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}
        assert not heading or heading in anchors, f"{page.name} links to {file}{heading}"
