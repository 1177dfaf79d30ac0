"""The plugin that a new one is a copy of: it works, and is called acme. Its copy is called otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

#: common: of each; alone: with a client of its own; client: written against somebody's.
_TEMPLATE = Path(__file__).parent / "template"


def copies(parts: tuple[str, ...], words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The files of a new plugin: their paths, and what is in them. `words` are those that take the place of others."""
    # All in one go, so that no word is replaced within what replaced another.
    known = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))))

    def copied(text: str) -> str:
        return known.sub(lambda found: words[found[0]], text)

    for folder in (_TEMPLATE / part for part in parts):
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"):
            yield copied(str(file.relative_to(folder))), copied(file.read_text())
