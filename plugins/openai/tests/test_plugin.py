"""The plugin as the core finds it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import switchgear_openai
from switchgear.spi import Backend

SDKS = ("openai", "httpx", "httpx2", "aiohttp", "pydantic")


def test_entry_point() -> None:
    """The group "switchgear" names this module, whose hook gives one backend."""
    (found,) = (point for point in entry_points(group="switchgear") if point.name == "openai")
    assert found.value == "switchgear_openai"
    assert switchgear_openai.register_backends() == [switchgear_openai.BACKEND]
    assert isinstance(switchgear_openai.BACKEND, Backend)


def test_importing_it_loads_no_sdk() -> None:
    """Importing the plugin, and classifying with it, loads neither the SDK nor what comes with it."""
    code = (
        "import sys, switchgear_openai as plugin; plugin.BACKEND.classify(ValueError());"
        f"print([name for name in {SDKS} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_metrics() -> None:
    """Metric names are unique."""
    names = [metric.name for metric in switchgear_openai.BACKEND.metrics]
    assert len(set(names)) == len(names)
