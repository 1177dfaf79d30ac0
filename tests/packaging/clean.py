"""Environments that have what is asked for and nothing else, made without a network: of wheels that were built a moment
ago, and of what their requirements come to, copied from the environment that the tests run in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path
from zipfile import Path as ZipPath

from packaging.requirements import Requirement

import dev


def built(project: Path, into: Path) -> Path:
    """The wheel of a project."""
    before = set(into.glob("*.whl"))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (wheel,) = set(into.glob("*.whl")) - before
    return wheel


class CleanEnvironment:
    """A virtual environment, whose programs see nothing of the one that runs the tests."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=True)
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        self._folder = folder
        (self._site,) = folder.glob("lib/python*/site-packages")
        self._copied: set[str] = set()
        pip = self.bin / "pip"  # the real one is slow to come by; this is what it would do, with what is here
        pip.write_text(f'#!/bin/sh\nshift\nexec {self._installer("--no-build-isolation")} "$@"\n')
        pip.chmod(0o755)

    def install(self, wheel: Path, *extras: str) -> None:
        """Install a wheel, and copy what it requires."""
        metadata = next(path for path in ZipPath(wheel).iterdir() if path.name.endswith(".dist-info"))
        self.copy(_required(PathDistribution(metadata), extras))
        self.run(f"{self._installer('--no-deps')} --reinstall {wheel}")

    def copy(self, requirements: Iterable[Requirement]) -> None:
        """Copy distributions, with those that they require."""
        for requirement in requirements:
            if str(requirement) in self._copied:
                continue
            self._copied.add(str(requirement))
            found = distribution(requirement.name)
            for file in found.files or ():
                target = self._site / file
                if ".." not in file.parts and file.suffix != ".pyc" and not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(str(file.locate()), target)
            self.copy(_required(found, requirement.extras))

    def run(self, script: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a script of the shell there. Raises AssertionError with what it said if it fails."""
        environ = {"PATH": f"{self.bin}{os.pathsep}{os.defpath}", "HOME": str(self._folder), "COLUMNS": "100"}
        command = ["bash", "-euo", "pipefail", "-c", script]
        ran = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{script}\n{ran.stdout}\n{ran.stderr}"
        return ran

    def _installer(self, options: str) -> str:
        uv = dev._find_uv()
        assert uv, "uv is part of the development environment"
        return f"{uv} pip install --quiet --offline --python {self.python} {options}"


def _required(dist: Distribution, extras: Iterable[str]) -> Iterator[Requirement]:
    wanted = [{"extra": extra} for extra in ("", *extras)]
    for requirement in map(Requirement, dist.requires or ()):
        marker = requirement.marker
        if requirement.name != dist.name and (marker is None or any(map(marker.evaluate, wanted))):
            yield requirement
        elif requirement.name == dist.name and marker is not None and any(map(marker.evaluate, wanted)):
            yield from _required(dist, requirement.extras)  # switchgear[cli] requires switchgear[config]
