#!/usr/bin/env python3
"""Everything a developer does here. Needs Python 3.11 or later with pip, or uv; installs the rest into .venv."""

# Standard library only, and nothing from the workspace: this file runs before anything is installed.

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
STAMP = VENV / "set-up-from"  # written last: without it .venv is not to be trusted
PYTHON_NAME = f"python{sys.version_info[0]}.{sys.version_info[1]}"
REQUIREMENTS = ROOT / "requirements"
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
MEMBERS = [ROOT / "core", *PLUGINS]
# What `dev.py coverage` runs: the quick tests that mirror the files which decide.
DECIDING_TESTS = (
    "aggregate", "breaker_[c-m]*", "breaker_open", "breaker_ramp", "breaker_table", "circuit", "decay", "degradation",
    "errors", "gate", "graph", "health", "lane", "manager", "recovery", "score", "sketch", "verdict", "vitals",
    "window",
)  # fmt: skip

# With more failures than these the machine is not to blame: `dev.py again`.
FLAKY_AT_MOST = 3

# Wheels only, each with its hash: nothing is compiled, and no package's build code runs on a developer's machine.
LOCKED = ("--require-hashes", "--only-binary=:all:")


class Failure(Exception):
    """Something the developer can put right; shown as it is, without a traceback."""


# --- Commands: the docstring is the help ------------------------------------------------------------------------------


def setup(_arguments: list[str]) -> int:
    """Make .venv from the lock; every other command does so first when something changed."""
    set_up()
    return 0


def demo(arguments: list[str]) -> NoReturn:
    """Start four real backends, break them one after another and watch (--help: its options)."""
    set_up()
    become(BIN / "switchgear", "demo", *arguments)


def test(arguments: list[str]) -> NoReturn:
    """Run the tests; arguments go to pytest, --llm adds those with a real model (280 MB)."""
    installer = set_up()
    if "--llm" in arguments:
        arguments = [argument for argument in arguments if argument != "--llm"]
        installer.install("installing the model", *LOCKED, "-r", REQUIREMENTS / "llm.lock")
        os.environ["SWITCHGEAR_TEST_LLM"] = "1"
    if not arguments:  # all of them: on all cores, those that share servers together
        arguments = ["-n", "auto", "--dist", "loadgroup"]
    become(BIN / "python", "-m", "pytest", *arguments)


def again(_arguments: list[str]) -> int:
    """Run the tests that failed last once more, without others beside them; refuses when they are more than three."""
    set_up()
    noted = ROOT / ".pytest_cache/v/cache/lastfailed"
    failed = list(json.loads(noted.read_text())) if noted.exists() else []
    if not 0 < len(failed) <= FLAKY_AT_MOST:
        raise Failure(f"{len(failed)} tests failed last: a second look is for one to {FLAKY_AT_MOST}.")
    if call(BIN / "python", "-m", "pytest", *failed):
        return 1
    say(f"FLAKY, failed beside others and passed alone; to be mended: {' '.join(failed)}")
    return 0


def lint(arguments: list[str]) -> int:
    """Check style, format and import contracts; --fix mends what can be mended."""
    set_up()
    fix = "--fix" in arguments
    return worst(
        call(BIN / "ruff", "check", *(["--fix"] if fix else [])),
        call(BIN / "ruff", "format", *([] if fix else ["--check"])),
        call(BIN / "lint-imports", "--no-logo"),
    )


def types(_arguments: list[str]) -> int:
    """Check types with mypy and pyright, both strict."""
    set_up()
    return worst(call(BIN / "mypy"), call(BIN / "pyright"))


def bench(arguments: list[str]) -> NoReturn:
    """Measure against the bare call and the peers; arguments go to benchmarks."""
    set_up()
    become(BIN / "python", "-m", "benchmarks", *arguments)


def upstream(arguments: list[str]) -> NoReturn:
    """Run the clients' own tests, bare and guarded, and compare (--help: its options)."""
    set_up()
    become(BIN / "python", "-m", "tests.upstream", *arguments)


def docs(arguments: list[str]) -> int:
    """Write the generated parts of the docs; --check fails where they have drifted instead."""
    if not (ROOT / "docs/generate.py").exists():
        say("no part of the docs is generated yet: docs/generate.py is missing")
        return 0
    set_up()
    return call(BIN / "python", "-m", "docs.generate", *arguments)


def wheels(_arguments: list[str]) -> int:
    """Build every distribution and use each plugin alone in a clean environment."""
    installer = set_up()
    with tempfile.TemporaryDirectory(prefix="switchgear-wheels-") as folder:
        built = Path(folder)
        for member in MEMBERS:
            step(f"building {member.relative_to(ROOT)}", BIN / "hatchling", "build", "-d", built, cwd=member)
        versions = built / "versions.txt"
        versions.write_text(_without_hashes(REQUIREMENTS / "dev.lock"))
        [core] = built.glob("switchgear-*.whl")
        for plugin in PLUGINS:
            name = plugin.name
            [wheel] = built.glob(f"switchgear_{name}-*.whl")
            alone = built / name
            _make_environment(alone)
            clean = Installer(alone, installer.uv)
            clean.install(f"{name}: installing", "-c", versions, core, wheel)
            step(f"{name}: importing", alone / "bin/python", "-I", "-c", f"import switchgear_{name}", cwd=built)
            clean.install(f"{name}: adding the command line", "-c", versions, f"switchgear[cli] @ {core.as_uri()}")
            _check_listed(alone / "bin/switchgear", name)
    return 0


def lanes(arguments: list[str]) -> int:
    """Run the plugins' tests with the oldest and newest clients: [oldest|newest] [PLUGIN]."""
    chosen = [lane for lane in LANES if lane in arguments] or list(LANES)
    plugins = [plugin for plugin in PLUGINS if plugin.name in arguments] or PLUGINS
    if unknown := set(arguments) - {*LANES, *(plugin.name for plugin in PLUGINS)}:
        raise Failure(f"{', '.join(sorted(unknown))}: neither a lane ({', '.join(LANES)}) nor a plugin.")
    installer = set_up()
    return worst(*(_run_lane(lane, plugins, installer.uv) for lane in chosen))


def soak(arguments: list[str]) -> NoReturn:
    """Simulate 10,000 seeds on all cores; --seeds N, --start N, --backend trio, --config FILE."""
    set_up()
    seeds = [] if any(argument.startswith("--seed") for argument in arguments) else ["--seeds", "10000"]
    become(BIN / "python", "-m", "switchgear.testing.simulation", *seeds, *arguments)


def coverage(_arguments: list[str]) -> int:
    """Run every line and branch of the files that decide (those of the contract without clock, thread and chance)."""
    import tomllib  # not before main has looked at the version of Python

    set_up()
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [deciding] = [contract["source_modules"] for contract in contracts if contract["name"].startswith("The machine")]
    files = ",".join(f"*/{module.replace('.', '/')}.py" for module in deciding)
    tests = sorted({path for pattern in DECIDING_TESTS for path in ROOT.glob(f"tests/test_{pattern}.py")})
    with tempfile.TemporaryDirectory(prefix="switchgear-coverage-") as folder:
        data = f"--data-file={folder}/data"
        run = call(
            BIN / "coverage", "run", data, "--branch", f"--include={files}", "-m", "pytest", "-q", *map(str, tests)
        )
        return run or call(BIN / "coverage", "report", data, "--show-missing", "--fail-under=100")


def mutate(_arguments: list[str]) -> int:
    """Change the breaker and the window in every small way; every change should fail a test."""
    set_up()
    copy = ROOT / ".mutants"
    shutil.rmtree(copy, ignore_errors=True)
    for part, place in (("core/src", "src"), ("tests", "tests"), ("docs", "docs")):
        shutil.copytree(ROOT / part, copy / place, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / file, copy)
    for command in ("run", "results", "export-cicd-stats"):
        if code := call(BIN / "mutmut", command, cwd=copy):
            return code
    counts = json.loads((copy / "mutants/mutmut-cicd-stats.json").read_text())
    killed, total = counts["killed"] + counts["timeout"], counts["total"]
    say(f"{killed} of {total} mutants were noticed ({killed / total:.1%}); in .mutants, `mutmut show NAME` shows one")
    return 0


def lock(_arguments: list[str]) -> int:
    """Resolve all versions anew, as of tool.uv.exclude-newer in pyproject.toml."""
    installer = set_up()
    if not installer.uv:
        raise Failure("Only uv can write the lock, and it could not be installed here. Install uv and run this again.")
    step("resolving", installer.uv, "lock", "--upgrade", "--python", BIN / "python")
    everything = ("--all-packages", "--all-extras", "--no-default-groups", "--group", "dev", "--group", "bench")
    for name, what in (
        ("dev", everything),
        ("bootstrap", ("--only-group", "bootstrap")),
        ("llm", ("--only-group", "llm")),
    ):
        # Names, versions and hashes only: uv.lock itself names the index that this machine uses, so it stays untracked.
        plain = ("--locked", "--no-emit-workspace", "--no-annotate", "--no-header", "--format", "requirements-txt")
        step(f"writing {name}.lock", installer.uv, "export", *plain, *what, "-o", REQUIREMENTS / f"{name}.lock")
    set_up()
    return 0


def everything(_arguments: list[str]) -> int:
    """Run test, lint, types, docs --check and wheels, all of them even when one fails."""
    set_up()
    parts = (["test"], ["lint"], ["types"], ["docs", "--check"], ["wheels"])
    failed = [part[0] for part in parts if call(sys.executable, __file__, *part)]
    say(f"Failed: {', '.join(failed)}." if failed else "All passed.")
    return 1 if failed else 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "setup": setup,
    "demo": demo,
    "test": test,
    "again": again,
    "lint": lint,
    "types": types,
    "bench": bench,
    "upstream": upstream,
    "docs": docs,
    "wheels": wheels,
    "lanes": lanes,
    "coverage": coverage,
    "mutate": mutate,
    "soak": soak,
    "lock": lock,
    "all": everything,
}


def main(arguments: list[str]) -> int:
    """Run one command; 2 means that it could not be run."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what tells a developer so
        raise Failure(f"Python 3.11 or later is needed, this is {sys.version.split()[0]}: try python3.11 dev.py ...")
    name, *rest = arguments or ["--help"]
    if name in {"-h", "--help", "help"}:
        print(f"{__doc__}\n\nusage: python3 dev.py COMMAND [ARGUMENTS]\n")
        print("\n".join(f"  {name:8} {command.__doc__}" for name, command in COMMANDS.items()))
        return 0
    if name not in COMMANDS:
        raise Failure(f"There is no command {name!r}. There are: {', '.join(COMMANDS)}.")
    return COMMANDS[name](rest)


# --- Set-up -----------------------------------------------------------------------------------------------------------


class Installer:
    """Installs into one environment, with uv when it can be had, else with pip."""

    def __init__(self, environment: Path, uv: str | None) -> None:
        self.python = environment / "bin/python"
        self.uv = uv

    def install(self, what: str, *arguments: str | Path, cwd: Path = ROOT) -> None:
        """Install what pip's arguments say; uv goes by what stands in a pyproject.toml of `cwd`."""
        if self.uv:
            try:
                step(what, self.uv, "pip", "install", "--python", self.python, *arguments, cwd=cwd)
            except Failure as failure:
                # uv does not read pip's configuration: an index or a proxy that only pip knows of fails here.
                say(f"{failure}\ndev.py: trying with pip instead of uv.")
                self.uv = None
        if not self.uv:
            try:
                step(f"{what} with pip", *_pip(self.python), *arguments, cwd=cwd)
            except Failure as failure:
                raise Failure(f"{failure}\nCan pip reach the package index that it is configured for?") from None


def set_up() -> Installer:
    """Make .venv as the lock and the pyproject files say, unless it is so already."""
    current = fingerprint()
    with _one_at_a_time():
        if STAMP.is_file() and STAMP.read_text() == current:
            return Installer(VENV, _find_uv())
        started = time.monotonic()
        if STAMP.is_file() and _python_of(VENV) == PYTHON_NAME:
            STAMP.unlink()  # what is there is sound and only needs bringing up to date
        else:
            shutil.rmtree(VENV, ignore_errors=True)  # of another Python, or interrupted with some package half written
            _make_environment(VENV)
        installer = Installer(VENV, _find_uv() or _install_uv())
        _install_workspace(installer)
        STAMP.write_text(current)
        say(f"ready after {time.monotonic() - started:.0f} s")
        return installer


def _install_workspace(installer: Installer) -> None:
    installer.install("installing locked packages", *LOCKED, "-r", REQUIREMENTS / "dev.lock")
    editable = [argument for member in MEMBERS for argument in ("-e", member)]
    installer.install("installing the workspace", "--no-deps", "--no-build-isolation", *editable)


def fingerprint() -> str:
    """Digest what .venv was made from."""
    inputs = [REQUIREMENTS / "dev.lock", *(folder / "pyproject.toml" for folder in (ROOT, *MEMBERS))]
    return hashlib.sha256(sys.version.encode() + b"".join(path.read_bytes() for path in inputs)).hexdigest()


@contextlib.contextmanager
def _one_at_a_time() -> Generator[None]:
    """Let the second of two commands wait, so that they do not both build .venv."""
    try:
        import fcntl
    except ImportError:
        raise Failure("Developing needs Linux or macOS; on Windows, use WSL.") from None
    with Path(__file__).open() as this_file:
        try:
            fcntl.flock(this_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another dev.py that is setting up")
            fcntl.flock(this_file, fcntl.LOCK_EX)
        yield


def _python_of(environment: Path) -> str:
    return next((folder.name for folder in environment.glob("lib/python*")), "")


def _make_environment(folder: Path) -> None:
    # Without pip, since Debian keeps what would bring it in a package of its own; pip --python needs none in there.
    step(f"making {folder.name} with {PYTHON_NAME}", _base_python(), "-m", "venv", "--without-pip", folder)


def _find_uv() -> str | None:
    return shutil.which("uv", path=search_path())


def _install_uv() -> str | None:
    try:
        step("installing uv", *_pip(BIN / "python"), *LOCKED, "-r", REQUIREMENTS / "bootstrap.lock")
    except Failure as failure:
        say(f"{failure}\ndev.py: going on with pip, which takes a minute or two.")
        return None
    return str(BIN / "uv")


def _pip(python: Path) -> list[str | Path]:
    base = _base_python()
    if subprocess.run([base, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        raise Failure(
            f"Neither pip nor uv could be used: {base} has no pip, and uv is not on the path or failed. "
            "Install one of them (on Debian: apt install python3-pip) and run this again."
        )
    return [base, "-m", "pip", "--python", python, "install", "--disable-pip-version-check"]


def _base_python() -> str:
    """Find the interpreter behind .venv, for when dev.py runs in there: it has pip, .venv has not."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


# --- The wheel check --------------------------------------------------------------------------------------------------


def _without_hashes(lock_file: Path) -> str:
    """Turn the lock into constraints that also fit wheels built a moment ago, which have no hash in it."""
    lines = lock_file.read_text().splitlines()
    return "".join(f"{line.rstrip(' ' + chr(92))}\n" for line in lines if not line.startswith(" "))


def _check_listed(command: Path, name: str) -> None:
    run = subprocess.run([command, "plugins", "--json"], capture_output=True, text=True, check=False)
    if run.returncode:
        raise Failure(f"switchgear plugins --json failed with only {name} installed. It said:\n{run.stderr.strip()}")
    states = {plugin["name"]: plugin["state"] for plugin in json.loads(run.stdout)}
    if states != {name: "ACTIVE"}:
        raise Failure(f"Installed alone, the {name} plugin should be listed as ACTIVE and no other. Listed: {states}.")
    say(f"{name}: alone in a clean environment it imports and is ACTIVE")


# --- Lanes ------------------------------------------------------------------------------------------------------------


def _run_lane(lane: str, plugins: list[Path], uv: str | None) -> int:
    """Test plugins in an environment like .venv, but for what these plugins themselves ask for."""
    needed = [requirement for plugin in plugins for requirement in _needed(plugin)]
    with tempfile.TemporaryDirectory(prefix=f"switchgear-{lane}-") as folder:
        environment = Path(folder)
        _make_environment(environment)
        installer = Installer(environment, uv)
        _install_workspace(installer)
        # In there no pyproject.toml says as of when "newest" is.
        wanted = [LANES[lane](requirement) for requirement in needed]
        what = f"installing {' '.join(wanted)}"
        installer.install(what, "--only-binary=:all:", "--upgrade", *wanted, cwd=environment)
        tests = [plugin / "tests" for plugin in plugins]
        return call(installer.python, "-m", "pytest", "-n", "auto", "--dist", "loadgroup", *map(str, tests))


def _needed(plugin: Path) -> list[str]:
    """What a plugin's pyproject.toml asks for, its extras included: clients and drivers, each with its lower bound."""
    import tomllib  # from Python 3.11 on, and main() is what tells those who have an older one

    project = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]
    everything = [project["dependencies"], *project.get("optional-dependencies", {}).values()]
    return [requirement for group in everything for requirement in group if not requirement.startswith("switchgear")]


#: What of a requirement is installed: its lower bound itself, or whatever is there today.
LANES: dict[str, Callable[[str], str]] = {
    "oldest": lambda requirement: re.sub(">=([^,;]*).*", r"==\1", requirement),
    "newest": lambda requirement: requirement,
}


# --- Running programs -------------------------------------------------------------------------------------------------


def search_path() -> str:
    """Put .venv before everything else on the path."""
    return f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def environ() -> dict[str, str]:
    """Make the environment that programs see: .venv is active, and uv trusts what the system trusts."""
    return {
        "UV_SYSTEM_CERTS": "1",  # a company's own certificate authority is known to the system, not to uv
        **os.environ,
        "VIRTUAL_ENV": str(VENV),
        "PATH": search_path(),
    }


def become(program: Path, *arguments: str) -> NoReturn:
    """Replace this process, so that signals and the exit code are the program's own."""
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execve(program, [str(program), *arguments], environ())  # noqa: S606 - no shell is wanted


def call(program: str | Path, *arguments: str, cwd: Path = ROOT) -> int:
    """Run a program with its output shown."""
    say(" ".join([Path(program).name, *arguments]))
    return subprocess.run([program, *arguments], cwd=cwd, env=environ(), check=False).returncode


def worst(*codes: int) -> int:
    """Tell success only when all succeeded."""
    return max(abs(code) for code in codes)


def step(what: str, *command: str | Path, cwd: Path = ROOT) -> None:
    """Run a program whose output matters only when it fails, and say how it goes."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        try:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=cwd, env=environ())
        except OSError as error:
            raise Failure(f"{what} failed: {error}.") from None
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1 if sys.stderr.isatty() else 15)
                if process.returncode is None:
                    _progress(f"{what} ... {time.monotonic() - started:.0f} s")
        except BaseException:
            process.terminate()
            process.wait()
            raise
        ended = "failed" if process.returncode else "done"
        _progress(f"{what}: {ended} in {time.monotonic() - started:.1f} s", last=True)
        if process.returncode:
            output.seek(0)
            said = "".join(output.readlines()[-20:]).strip()
            raise Failure(f"{what} failed with exit code {process.returncode}. Its last words:\n{said}")


def _progress(text: str, *, last: bool = False) -> None:
    if sys.stderr.isatty():
        dim, plain = ("", "") if os.environ.get("NO_COLOR") else ("\033[2m", "\033[0m")
        print(f"\r\033[K{dim}dev.py: {text}{plain}", end="\n" if last else "", file=sys.stderr, flush=True)
    else:
        say(text)


def say(text: str) -> None:
    """Tell the developer, on standard error: standard output belongs to the command."""
    print(f"dev.py: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        say(str(failure))
        sys.exit(2)
    except OSError as failure:
        say(f"{failure}. dev.py works in {ROOT} and has to be allowed to write there.")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
