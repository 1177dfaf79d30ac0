"""The page "A plugin in fifteen minutes" is true, to the letter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.packaging.clean import CleanEnvironment

PAGE = Path(__file__).parents[2] / "docs" / "fifteen-minutes.md"
BLOCK = re.compile(r"^```(sh|python|toml|output)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.timeout(600)
@pytest.mark.xdist_group("clean")
def test_the_page_is_true(clean: CleanEnvironment, tmp_path: Path) -> None:
    """Its commands are run one after the other, its files are written, and what it says is printed is printed.

    Installing is done by uv, offline, whatever the page calls it; the first installation was done before.
    """
    folder, said = tmp_path, ""
    blocks = BLOCK.findall(PAGE.read_text())
    assert len(blocks) >= 10
    for kind, text in blocks:
        if kind == "sh":
            ran = clean.run(f"{text}\npwd > {tmp_path}/pwd", cwd=folder)
            folder, said = Path((tmp_path / "pwd").read_text().strip()), ran.stdout
        elif kind == "output":
            missing = [line for line in text.splitlines() if _even(line) not in _even(said)]
            assert not missing, said
        else:
            (folder / text.partition("\n")[0].removeprefix("# ")).write_text(text)


def _even(text: str) -> str:
    """Columns as wide as they are is nothing that the page promises."""
    return re.sub(r" +", " ", text)
