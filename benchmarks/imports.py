"""What an import costs: CPU milliseconds on top of asyncio and anyio, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

_PROBE = """
import asyncio, anyio, time
started = time.process_time()
import {module}
print((time.process_time() - started) * 1e3)
"""

MODULES = {
    "switchgear": "switchgear",
    "interlock-cb": "interlock",
    "nopanic": "nopanic",
    "fluxgate": "fluxgate",
    "circuitbreaker": "circuitbreaker",
    "pybreaker": "pybreaker",
}


def import_cost(module: str, runs: int = 7) -> float:
    """The median of a few processes."""
    probe = [sys.executable, "-c", _PROBE.format(module=module)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(probe, capture_output=True, check=True, env=environment)
    return median(
        float(subprocess.run(probe, capture_output=True, check=True, text=True, env=environment).stdout)
        for _ in range(runs)
    )
