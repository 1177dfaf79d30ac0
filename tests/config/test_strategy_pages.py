"""The pages of docs/strategies: one for each strategy, whose examples are configurations and code that there is."""

from __future__ import annotations

import ast
import re

import pytest

import switchgear
from docs.strategy_pictures import DRAWN, PICTURES
from switchgear._order import ORDER
from tests.config.support import Read, memory


def block(name: str, language: str) -> str:
    """The page's example."""
    found = re.search(rf"```{language}\n(.*?)```", (PICTURES / f"{name}.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_each_strategy_has_a_page_and_a_picture() -> None:
    """And a drawing of the script's; each page shows its own."""
    assert set(DRAWN) == set(ORDER)
    assert {path.name for path in PICTURES.iterdir()} == {f"{name}.{kind}" for name in ORDER for kind in ("md", "svg")}
    assert all(f"]({name}.svg)" in (PICTURES / f"{name}.md").read_text() for name in ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_the_configuration_of_a_page_can_be_read(read: Read, name: str) -> None:
    """As it stands there; it has the strategy."""
    text = memory().replace("[services.cache.breaker]", "") + block(name, "toml")
    [cache] = read(text).services
    assert name in {each.name for each in cache.pipeline or ()} | {"breaker"}


@pytest.mark.parametrize("name", ORDER)
def test_the_code_of_a_page_uses_what_there_is(name: str) -> None:
    """It parses, and each name that it takes from switchgear is public."""
    parsed = ast.walk(ast.parse(block(name, "python")))
    used = [node.attr for node in parsed if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "sg"]
    assert used
    assert set(used) <= set(switchgear.__all__)


def test_a_picture_is_what_the_script_draws() -> None:
    """To the last digit, as time is virtual and chance is seeded. One will do: they are made in the same way."""
    assert (PICTURES / "ratelimit.svg").read_text() == DRAWN["ratelimit"]()


def test_links_between_pages_lead_somewhere() -> None:
    """To files that there are."""
    for name in ORDER:
        for target in re.findall(r"\]\(([^)#:]+)", (PICTURES / f"{name}.md").read_text()):
            assert (PICTURES / target).exists(), f"{name}.md: {target}"
