"""What the suites are made of, downloaded once, outside of the repository."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements/dev.lock"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "switchgear", "upstream")


class Unavailable(Exception):
    """A suite cannot be had here; says why."""


def sdist(distribution: str, version: str, parts: Sequence[str], release: str = "") -> Path:
    """The folder with those parts of an sdist: of the locked version, or of the release named. Raises Unavailable."""
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=CACHE) as download:
            wanted = Path(download, "wanted.txt")
            wanted.write_text(release or _locked(distribution))
            _pip("download", "--no-deps", "--no-binary", distribution, "--require-hashes", "-r", wanted, "-d", download)
            [archive] = Path(download).glob("*.tar.gz")
            _unpack(archive, parts, folder)

    return _kept(f"{distribution}-{version}-{digest}", make)


def packages(requirements: Sequence[str]) -> Path:
    """A folder with what a suite's tests need beside the workspace's packages; to be put before those.

    Versions are those of the lock, but for packages that the requirements name. Raises Unavailable.
    """
    digest = hashlib.sha256("\n".join([sys.version, *requirements, LOCK.read_text()]).encode()).hexdigest()[:12]
    named = {_name(requirement) for requirement in requirements}

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            constraints = Path(scratch, "constraints.txt")
            constraints.write_text("".join(f"{pin}\n" for pin in _pins() if _name(pin) not in named))
            _pip("install", "--only-binary=:all:", "-c", constraints, "--target", folder, *requirements)

    return _kept(f"packages-{digest}", make)


def _kept(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of the cache, made by the first who asks; others wait."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / name
    with _alone(name):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                made = Path(scratch, "made")
                made.mkdir()
                make(made)
                made.rename(folder)
    return folder


@contextmanager
def _alone(name: str) -> Generator[None]:
    with (CACHE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _unpack(archive: Path, parts: Sequence[str], folder: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            _, _, member.name = member.name.partition("/")  # without the folder that is named after the version
            if any(member.name == part or member.name.startswith(f"{part}/") for part in parts):
                tar.extract(member, folder, filter="data")


def _pip(*arguments: str | Path) -> None:
    """The pip of the interpreter behind .venv, which has none itself; with the index that pip is configured for."""
    base = getattr(sys, "_base_executable", sys.executable)
    done = subprocess.run([base, "-m", "pip", "-q", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"pip {arguments[0]} failed: {(done.stderr or done.stdout).strip()[-500:]}")


def _blocks() -> list[str]:
    """The packages of the lock, each with its marker and hashes."""
    return re.split(r"\n(?=\S)", LOCK.read_text().strip())


def _pins() -> list[str]:
    return [block.partition("\n")[0].rstrip(" \\") for block in _blocks()]


def _locked(distribution: str) -> str:
    [block] = [block for block in _blocks() if _name(block) == _name(distribution)]
    return block


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()
