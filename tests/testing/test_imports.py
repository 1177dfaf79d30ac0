from __future__ import annotations

import subprocess
import sys

import switchgear.testing


def test_importing_it_loads_no_client_and_no_test_library() -> None:
    """The demo uses it too, where neither pytest nor hypothesis is installed; SDKs are the plugins' business."""
    heavy = (
        "redis",
        "aioboto3",
        "botocore",
        "openai",
        "httpx2",
        "sqlalchemy",
        "asyncpg",
        "pytest",
        "hypothesis",
        "trio",
    )
    code = f"import sys, switchgear.testing; print([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_all_is_what_there_is() -> None:
    """Every public name exists, and the list is sorted so that a diff shows what is new."""
    names = switchgear.testing.__all__
    assert sorted(names) == names
    assert all(hasattr(switchgear.testing, name) for name in names)
