"""Importing switchgear and its plugins is cheap: the SDKs they guard are loaded by the first connection, not before."""

from __future__ import annotations

import subprocess
import sys

import pytest

PACKAGES = ["switchgear", "switchgear_db", "switchgear_openai", "switchgear_redis", "switchgear_s3"]
HEAVY = {
    "aioboto3",
    "aiobotocore",
    "aiosqlite",
    "asyncpg",
    "boto3",
    "botocore",
    "cattrs",
    "click",
    "httpx",
    "httpx2",
    "msgspec",
    "openai",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "pytest",
    "redis",
    "rich",
    "sqlalchemy",
    "starlette",
    "trio",
    "uvicorn",
}


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    printed = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    return {name.partition(".")[0] for name in printed.split()}


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_loads_no_sdk(package: str) -> None:
    """A package alone loads none of the heavy modules."""
    assert set() == modules_after(f"import {package}") & HEAVY


def test_importing_everything_loads_no_sdk() -> None:
    """Nor do all of them together, which is what an application with four plugins imports."""
    loaded = modules_after(f"import {', '.join(PACKAGES)}")
    assert set(PACKAGES) <= loaded
    assert set() == loaded & HEAVY


def test_the_probe_sees_an_sdk_when_there_is_one() -> None:
    """The tests above can fail."""
    assert {"redis"} <= modules_after("import switchgear, redis") & HEAVY
