"""Throw-away distributions on sys.path, as real as installed ones: a module, and metadata with an entry point."""

from __future__ import annotations

import importlib
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_numbers = itertools.count()

#: A plugin that works, for a backend that is an object in memory. Tests append to it, or replace a line of it.
WORKING = """
from __future__ import annotations
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from switchgear.spi import Backend, BreakerConfig, ConfigurationError, Operation, Verdict, hookimpl

@dataclass(frozen=True, kw_only=True)
class Settings:
    url: str = "memory:"
    password: str | None = field(default=None, repr=False)
    size: int = 1
    timeout: float | None = None
    tls: bool = False
    mode: Literal["fast", "safe"] = "safe"
    hosts: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)

@asynccontextmanager
async def connect(settings):
    yield settings

def guard(client, service):
    return client

def classify(exc):
    return Verdict.FAILURE

async def probe(client, domain):
    return True

async def identify(client):
    return "Memory 1.0"

BACKEND = Backend(
    name="memory", settings=Settings, connect=connect, guard=guard, classify=classify, probe=probe, identify=identify,
    operations=(Operation(name="memory.get"), Operation(name="memory.set", klass="write")),
    recommended=BreakerConfig(consecutive_failures=7, slow_call_duration_threshold={"read": 0.5, "write": 1.0}),
    sdk="memory-sdk>=2",
)

@hookimpl
def register_backends():
    return [BACKEND]
"""


class Garden:
    """Plants distributions into a folder of sys.path."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delenv("SWITCHGEAR_PLUGINS", raising=False)

    def plant(
        self,
        name: str,
        code: str = WORKING,
        *,
        dist: str | None = None,
        folder: Path | None = None,
        version: str = "1.2",
    ) -> str:
        """Install a distribution that offers a plugin; the result is the name of its module, which is new."""
        module = f"planted_{next(_numbers)}"
        dist = dist or f"dist-of-{name}"
        folder = folder or self.folder
        metadata = folder / f"{dist.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
        (metadata / "entry_points.txt").write_text(f"[switchgear]\n{name} = {module}\n")
        (folder / f"{module}.py").write_text(code)
        importlib.invalidate_caches()
        return module


def imported(module: str) -> bool:
    return module in sys.modules
