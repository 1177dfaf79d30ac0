"""`switchgear validate` asks the file, the backends and the process, and says what may not be deployed."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from redis.asyncio import Redis

from switchgear import Level, State
from switchgear.testing.servers import ValkeyServer
from tests.cli.serving import TOKEN, Shop, serving
from tests.cli.support import PROGRAM, environment, program, run
from tests.planted import WORKING, Garden

Write = Callable[[str], str]

REDIS = """
[services.cache]
plugin = "redis"
settings.url = "redis://{user}127.0.0.1:{port}/0"
[capabilities.search]
requires = ["cache"]
"""


def validated(*arguments: str, **environ: str) -> tuple[int, dict[str, Any]]:
    shown = run("validate", *arguments, "--json", **environ)
    return shown.exit_code, json.loads(shown.stdout)


def outcomes(result: dict[str, Any], check: str) -> dict[str, tuple[str, str]]:
    """Of one check: subject -> outcome and text."""
    return {one["subject"]: (one["outcome"], one["text"]) for one in result["results"] if one["check"] == check}


# -- the file --------------------------------------------------------------------------------------------------------


def test_a_file_that_is_wrong_fails(write: Write) -> None:
    """With all that is wrong, each at its key; nothing else is said of it, for nothing else is known."""
    code, result = validated(write("[services.cache]\n[services.db]\nplugin = 'nobodys'"))
    assert (code, result["ok"], result["counts"]["FAIL"]) == (1, False, 2)
    assert [(one["check"], one["subject"]) for one in result["results"] if one["check"] != "alert rules"] == [
        ("configuration", "services.cache.plugin"),
        ("configuration", "services.db.plugin"),
    ]


def test_a_cycle_is_refused_and_printed(write: Write, garden: Garden) -> None:
    """The graph has to be sound before anything else is asked."""
    garden.plant("memory")
    file = write('[services.a]\nplugin="memory"\nrequires=["b"]\n[services.b]\nplugin="memory"\nrequires=["a"]')
    code, result = validated(file)
    assert code == 1
    assert "This is a cycle: " in result["results"][0]["text"]


def test_a_file_that_is_not_there_fails(write: Write) -> None:
    """As any other thing that is wrong with it."""
    code, result = validated("nowhere.toml")
    assert code == 1
    assert "There is no such file" in result["results"][0]["text"]


def test_a_table_for_people(write: Write, garden: Garden) -> None:
    """Outcome, check, what it is about, and why; and the sums."""
    garden.plant("memory")
    shown = program("validate", write('[services.cache]\nplugin = "memory"'), COLUMNS="200")
    assert shown.returncode == 1
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert lines[0] == "PASS configuration switchgear.toml services: 1, capabilities: 0"
    assert [line for line in lines if line.startswith("FAIL metrics memory it declares none.")]
    assert [line for line in lines if line.startswith("WARN capabilities switchgear.toml No capability is declared")]
    assert lines[-1].endswith(" passed, 1 to look at, 1 failed.")


def test_secrets_in_the_file_are_named_and_not_shown(write: Write, garden: Garden) -> None:
    """A password that stands there is; one that comes from the environment is not, nor is a URL without a password."""
    garden.plant("memory", WORKING.replace("url: str =", "link: str = field(default='', repr=False)\n    url: str ="))
    file = write(
        '[services.a]\nplugin = "memory"\nsettings.password = "hunter2"\nsettings.link = "amqp://me:hunter2@host"\n'
        '[services.b]\nplugin = "memory"\nsettings.password = "${PASSWORD}"\nsettings.link = "amqp://host"\n'
    )
    shown = run("validate", file, "--json", PASSWORD="hunter2")
    secrets = outcomes(json.loads(shown.stdout), "secrets")
    assert secrets.keys() == {"services.a.settings.password", "services.a.settings.link"}
    assert {outcome for outcome, _ in secrets.values()} == {"WARN"}
    assert "hunter2" not in shown.output


# -- backends --------------------------------------------------------------------------------------------------------

SLIPS = {
    "limits() that raises": ("limits=lambda client, settings: 1 / 0", "limits() raised ZeroDivisionError"),
    "gauges() that raises": ("gauges=lambda client: {}['x']", "gauges() raised KeyError"),
    "permissions() that raises": (
        "permissions=lambda client, domains: 1 / 0",
        "permissions() raised ZeroDivisionError",
    ),
}


@pytest.mark.parametrize(("slip", "said"), SLIPS.values(), ids=SLIPS)
def test_a_plugin_that_slips_is_told_and_hides_nothing(write: Write, garden: Garden, slip: str, said: str) -> None:
    """The other checks of the service are made all the same."""
    garden.plant("memory", WORKING.replace('sdk="memory-sdk>=2",', f'sdk="memory-sdk>=2", {slip},'))
    code, result = validated(write('[services.cache]\nplugin = "memory"'))
    assert code == 1
    assert said in outcomes(result, "plugin functions")["cache"][1]
    assert outcomes(result, "connection")["cache"] == ("PASS", "it answers")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_real_backend_is_asked(write: Write) -> None:
    """Its version, what its client keeps itself to, and what its account may do; exit code 0, and 1 once it is gone."""
    async with ValkeyServer() as server:
        file = write(REDIS.format(user="", port=server.port))
        code, up = await anyio.to_thread.run_sync(validated, file)
        name = str(server)
    assert (code, up["ok"], up["counts"].keys()) == (0, True, {"PASS"}), up
    assert outcomes(up, "server version") == {"cache": ("PASS", name)}
    assert outcomes(up, "permissions") == {"cache read": ("PASS", "permitted"), "cache write": ("PASS", "permitted")}
    assert outcomes(up, "bounded pool") == {"cache": ("PASS", "at most 50 connections")}
    assert outcomes(up, "own retries") == {"cache": ("PASS", "off")}
    code, down = await anyio.to_thread.run_sync(validated, file)
    assert code == 1
    assert outcomes(down, "connection")["cache"][0] == "FAIL"
    assert outcomes(down, "bounded pool") == outcomes(up, "bounded pool")
    assert not outcomes(down, "permissions")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_rights_that_are_missing_are_told_in_the_servers_words(write: Write) -> None:
    """An account that may not write, or not be probed, is worth a warning; one that is not accepted is a failure."""
    async with ValkeyServer() as server:
        admin = Redis(port=server.port)
        await admin.acl_setuser("app", enabled=True, passwords="+pw", keys="*", commands=["+get", "+client"])
        await admin.aclose()
        file = write(REDIS.format(user="app:${PW}@", port=server.port))
        code, result = await anyio.to_thread.run_sync(lambda: validated(file, PW="pw"))
        wrong, refused = await anyio.to_thread.run_sync(lambda: validated(file, PW="no"))
    assert code == 0, result
    outcome, text = outcomes(result, "permissions")["cache write"]
    assert (outcome, "setrange" in text, "Change that, unless it is meant." in text) == ("WARN", True, True)
    outcome, text = outcomes(result, "active check")["cache"]
    assert (outcome, 'set probe_with = "traffic"' in text) == ("WARN", True)
    assert wrong == 1
    outcome, text = outcomes(refused, "connection")["cache"]
    assert (outcome, "AuthenticationError" in text) == ("FAIL", True)


# -- rules of alerts -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_rules_are_loaded_by_promtool(write: Write, tmp_path: Path) -> None:
    """As Prometheus would, ours and those that are given; what it says of those that it does not take is shown."""
    right, wrong = tmp_path / "right.yml", tmp_path / "wrong.yml"
    right.write_text("groups:\n- name: a\n  rules:\n  - alert: Down\n    expr: up == 0\n")
    wrong.write_text("groups:\n- name: a\n  rules:\n  - alert: Down\n    expr: up ==\n")
    file = write("")
    code, result = validated(file, "--rules", str(right), "--rules", str(wrong), "--rules", "nowhere.yml")
    rules = outcomes(result, "alert rules")
    assert code == 1
    assert rules["switchgear rules"] == rules[str(right)] == ("PASS", "promtool takes them")
    assert (rules[str(wrong)][0], "parse error" in rules[str(wrong)][1]) == ("FAIL", True)
    assert rules["nowhere.yml"] == ("FAIL", "There is no such file.")


def test_without_promtool_rules_are_not_taken_to_be_right(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for a check that cannot be made is told so; who does not ask, is told nothing."""
    monkeypatch.setenv("PATH", "")
    _, result = validated(write(""), "--rules", "rules.yml")
    assert outcomes(result, "alert rules")["rules.yml"][0] == "FAIL"
    assert not outcomes(validated(write(""))[1], "alert rules")


# -- a process -------------------------------------------------------------------------------------------------------

SHOP = """
[services.db]
plugin = "toy"
[services.cache]
plugin = "toy"
[services.index]
plugin = "toy"
[capabilities.checkout]
requires = ["db"]
prefers = { cache = 0.4 }
[capabilities.search]
requires = ["index"]
criticality = "best_effort"
"""


def hurried() -> float:
    """A clock on which levels, that rise after tens of seconds, do so in parts of one."""
    return 25 * time.monotonic()


@pytest.fixture
def shop() -> Iterator[Shop]:
    with serving() as shop:
        yield shop


@pytest.fixture
def file(write: Write, garden: Garden) -> str:
    metrics = 'metrics=(Metric(name="hits", kind="counter", help="Hits."),)'
    toy = WORKING.replace("import Backend,", "import Backend, Metric,").replace(
        'name="memory"', f'name="toy", {metrics}'
    )
    garden.plant("toy", toy)
    return write(SHOP)


def test_a_process_that_runs_the_file(shop: Shop, file: str) -> None:
    """Its endpoints answer, and it has what the file says; a service that is down shows where it has to."""
    code, well = validated(file, "--url", shop.url)
    assert code == 0, well
    assert len(outcomes(well, "endpoints")) == 9
    assert outcomes(well, "same services").keys() == {"db", "cache", "index"}
    shop.fails("db")
    code, ill = validated(file, SWITCHGEAR_URL=shop.url)
    assert code == 1
    failed = [subject for subject, (outcome, _) in outcomes(ill, "endpoints").items() if outcome == "FAIL"]
    assert failed == ["/readyz", "/healthz"]
    assert "db is UNHEALTHY" in outcomes(ill, "endpoints")["/readyz"][1]


def test_no_process_fails_every_endpoint(shop: Shop, file: str) -> None:
    """Each in words; what the file and the backends are like is said all the same."""
    code, result = validated(file, "--url", "http://127.0.0.1:1")
    assert code == 1
    assert {outcome for outcome, _ in outcomes(result, "endpoints").values()} == {"FAIL"}
    assert "Nothing listens at http://127.0.0.1:1." in outcomes(result, "endpoints")["/livez"][1]
    assert outcomes(result, "configuration")["switchgear.toml"][0] == "PASS"


# -- a drill ---------------------------------------------------------------------------------------------------------


def test_a_drill_breaks_and_mends_each_service(file: str) -> None:
    """Levels fall as far as the graph says and come back; it is ready and alive when it should be; nothing is left."""
    with serving(clock=hurried) as shop:
        _, result = validated(file, "--url", shop.url, "--drill", "--yes", SWITCHGEAR_TOKEN=TOKEN)
        assert all(shop.gear.breaker(name).state is State.CLOSED for name in ("db", "cache", "index"))
        assert shop.gear.degradation.level("checkout") is Level.FULL
    # By this clock a heartbeat of 0.4 s ago is that of a dead event loop, as it may be on a busy machine.
    amiss = [one for one in result["results"] if one["outcome"] != "PASS" and "heartbeat" not in one["text"]]
    assert amiss == []
    assert outcomes(result, "levels fall") == {
        "db -> checkout": ("PASS", "OFF (0)"),
        "cache -> checkout": ("PASS", "FALLBACK (60)"),
        "index -> search": ("PASS", "OFF (0)"),
    }
    assert {service: text for service, (_, text) in outcomes(result, "readiness").items()} == {
        "db": "503, it is required",
        "cache": "200, it is not required",
        "index": "200, it is not required",
    }
    assert outcomes(result, "levels return").keys() == {"db", "cache", "index"}


def test_a_process_in_trouble_is_not_drilled(shop: Shop, file: str) -> None:
    """It has enough of it; nothing is isolated."""
    shop.gear.breaker("cache").force_open("maintenance")
    code, result = validated(file, "--url", shop.url, "--drill", "--yes", SWITCHGEAR_TOKEN=TOKEN)
    assert code == 1
    assert outcomes(result, "well before drill")["app"][0] == "FAIL"
    assert not outcomes(result, "isolation")
    assert shop.gear.breaker("db").main.snapshot().last is None


@pytest.mark.parametrize(
    ("arguments", "token", "said"),
    [
        (["--drill", "--yes"], TOKEN, "A drill needs the process (--url)"),
        (["--drill", "--yes", "--url", "SHOP"], "", "and the right to order it about (SWITCHGEAR_TOKEN)."),
        (["--drill", "--url", "SHOP"], TOKEN, "A drill disturbs users. Say --yes where nobody can be asked."),
        (["--drill", "--yes", "--url", "SHOP"], "not-the-right-token", "does not accept this token."),
    ],
)
def test_what_a_drill_needs(shop: Shop, file: str, arguments: list[str], token: str, said: str) -> None:
    """Exit code 2 before anything is touched."""
    given = [shop.url if argument == "SHOP" else argument for argument in arguments]
    shown = run("validate", file, *given, SWITCHGEAR_TOKEN=token)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert said in " ".join(shown.stderr.replace("│", " ").split())
    assert shop.gear.breaker("db").main.snapshot().last is None


def test_a_person_is_asked_first(shop: Shop, file: str) -> None:
    """On a terminal, by the names of what will be isolated; "no" is the end of it."""
    ours, theirs = pty.openpty()
    command = [PROGRAM, "validate", file, "--url", shop.url, "--drill"]
    running = subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(SWITCHGEAR_TOKEN=TOKEN),
    )  # fmt: skip
    try:
        os.write(ours, b"n\n")
        stdout, stderr = running.communicate(timeout=20)
    finally:
        running.kill()
        os.close(ours)
        os.close(theirs)
    assert (running.returncode, stdout) == (2, "")
    assert f"Isolate db, cache, index at {shop.url}, one after another?" in stderr
    assert "Nothing was drilled." in stderr
    assert shop.gear.breaker("db").main.snapshot().last is None


def test_a_drill_that_is_interrupted_leaves_nothing_isolated(file: str) -> None:
    """Ctrl-C in its midst: what was isolated is closed on the way out."""
    with serving() as shop:  # by the usual clock, so that it takes long
        command = [PROGRAM, "validate", file, "--url", shop.url, "--drill", "--yes"]
        env = environment(SWITCHGEAR_TOKEN=TOKEN)
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        assert running.stderr is not None
        try:
            assert running.stderr.readline() == "db: isolated\n"
            running.send_signal(signal.SIGINT)
            _, stderr = running.communicate(timeout=20)
        finally:
            running.kill()
        assert running.returncode == 130
        assert "Traceback" not in stderr
        assert shop.gear.breaker("db").state is State.CLOSED
