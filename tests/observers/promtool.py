"""Prometheus' own judge of metrics and rules; not a Python package, so it may not be there."""

from __future__ import annotations

import shutil
import subprocess

import pytest

PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed; it comes with Prometheus (Debian: apt-get install prometheus)"
)


def promtool(*arguments: str, stdin: str = "") -> str:
    """What it prints; its complaints are a failure of the test."""
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
