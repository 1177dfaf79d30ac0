"""What is to be known of a client's own test suite to run it: with and without the guard."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """Where pytest runs, with servers that belong to this run alone."""

    folder: Path
    #: Arguments of pytest that name the servers.
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Suite:
    """The tests in the sdist of a client."""

    #: By which the command and the page call it. `upstream redis` means "redis" and "redis-cluster".
    name: str
    #: Whose sdist has the tests, as the package index calls it.
    distribution: str
    #: The plugin of switchgear whose guard stands before every client that the tests make.
    backend: str
    #: Files and folders of the sdist that are unpacked. The client itself is not: the installed one is tested.
    parts: tuple[str, ...]
    #: Starts the servers, given the folder with the parts, and stops them again.
    prepare: Callable[[Path], AbstractContextManager[Run]]
    #: Options of pytest that hold for every run. They name the plugins too (`-p`): none is loaded by itself.
    options: tuple[str, ...]
    #: What chooses the tests that the guard can matter to: files, ids, markers.
    whole: tuple[str, ...]
    #: The same for a part of them that takes seconds.
    slice: tuple[str, ...]
    #: Calls through the guard for each test that passes. With fewer the guard was not in the way, and nothing is shown.
    least_guarded: float
    #: What the tests need beside what the workspace has locked, with exact versions.
    requirements: tuple[str, ...] = ()
    #: The module in `inside/` that puts the guard before the clients.
    swap: str = "upstream_guard"
    #: Another version than the one that is installed here, with the hash of its sdist: `NAME==VERSION --hash=...`. The
    #: requirements bring it.
    release: str = ""
    #: What makes pytest run a test once more, given its id.
    again: Callable[[str], str] = str

    @property
    def version(self) -> str:
        """The version that is tested: the installed one, which is that of the lock, or another that is named."""
        named = re.search("==([^ ]+)", self.release)
        return named[1] if named else metadata.version(self.distribution)
