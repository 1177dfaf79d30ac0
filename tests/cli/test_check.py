"""`switchgear check` says whether a configuration is right, what it comes to, and whether the backends answer."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from switchgear.testing.servers import ServerUnavailable, ValkeyServer
from tests.cli.support import program, run
from tests.planted import WORKING, Garden

Write = Callable[[str], str]

FILE = """
[services.cache]
plugin = "memory"
[services.cache.settings]
password = "hunter2"
[services.cache.breaker]
ramp = false
window.count = 50
"""


@pytest.fixture(autouse=True)
def planted(garden: Garden) -> None:
    garden.plant("memory")


# -- what is right ---------------------------------------------------------------------------------------------------


def test_thresholds_are_shown_as_they_will_run(write: Write) -> None:
    """Every key of the breaker, its value and who says so."""
    shown = program("check", write(FILE))
    assert (shown.returncode, shown.stderr) == (0, "")
    assert [" ".join(line.split()) for line in shown.stdout.splitlines()] == [
        "switchgear.toml is right: 1 service.",
        "",
        "cache (memory): breaker > call",
        "failure_rate_threshold 0.5 default",
        "slow_call_rate_threshold 0.5 default",
        "slow_call_duration_threshold.read 0.5 plugin",
        "slow_call_duration_threshold.write 1 plugin",
        "consecutive_failures 7 plugin",
        "minimum_number_of_calls 20 default",
        "window.count 50 switchgear.toml",
        "wait_duration_in_open.initial 1 default",
        "wait_duration_in_open.multiplier 1.15 default",
        "wait_duration_in_open.max 20 default",
        "wait_duration_in_open.jitter 1 default",
        "wait_duration_in_open.forget 15 default",
        "permitted_calls_in_half_open 5 default",
        "probe_timeout 30 default",
        "max_wait_in_half_open 60 default",
        "ramp off switchgear.toml",
        "probe_with traffic default",
        "",
        "Times are in seconds, rates are shares of 1.",
    ]


def test_as_json(write: Write) -> None:
    """The shape that programs rely on."""
    shown = json.loads(program("check", write(FILE), "--json").stdout)
    breaker = shown["services"]["cache"].pop("breaker")
    assert shown == {
        "ok": True,
        "source": "switchgear.toml",
        "services": {
            "cache": {
                "plugin": "memory",
                "backend": "memory",
                "requires": [],
                "pipeline": ["breaker", "call"],
                "at_most": None,
            }
        },
        "capabilities": {},
        "problems": [],
    }
    assert breaker["window.count"] == {"value": 50, "source": "switchgear.toml"}
    assert breaker["ramp"] == {"value": False, "source": "switchgear.toml"}
    assert breaker["consecutive_failures"] == {"value": 7, "source": "plugin"}
    assert breaker["failure_rate_threshold"] == {"value": 0.5, "source": "default"}
    assert len(breaker) == 17


PIPELINE = (
    FILE
    + """
[services.cache.pipeline]
deadline = false
timeout = 0.5
[services.plain]
plugin = "memory"
[services.plain.pipeline]
deadline = false
retry = false
timeout = false
"""
)


def test_a_pipeline_is_shown_as_it_will_run(write: Write) -> None:
    """The stack, outermost first, what each strategy does, and the most time and attempts that a call may cost."""
    path = write(PIPELINE)
    shown = [" ".join(line.split()) for line in program("check", path).stdout.splitlines()]
    assert shown[2:7] == [
        "cache (memory): retry > breaker > timeout > call",
        "cache: at most 21.65 s (blocking: without a limit), at most 3 attempts a call",
        "retry 3 attempts of what is idempotent, 0.05 to 2 s apart, in all at most 20% of the calls and 3",
        "breaker opens at 50% failed or 50% slow or 7 failed in a row of the last 50 calls",
        "timeout 0.5 s an attempt",
    ]
    services = json.loads(program("check", path, "--json").stdout)["services"]
    assert services["cache"]["pipeline"] == ["retry", "breaker", "timeout", "call"]
    assert services["cache"]["at_most"] == {
        "seconds": 21.65, "attempts": 3, "attempt_seconds": 0.5, "unlimited": ["blocking"]
    }  # fmt: skip
    assert services["plain"]["at_most"] == {
        "seconds": None, "attempts": 1, "attempt_seconds": None, "unlimited": []
    }  # fmt: skip


OFFERED = (
    FILE
    + """
[services.index]
plugin = "memory"
requires = ["cache"]
[capabilities.search]
requires = ["index"]
prefers = { cache = 0.25 }
[capabilities.help]
any_of = [["search", "cache"]]
criticality = "best_effort"
"""
)


def test_capabilities_are_shown_with_what_they_need(write: Write) -> None:
    """What a service requires, and of each capability how much it matters and what it stands on."""
    shown = program("check", write(OFFERED), "--probe").stdout
    assert "switchgear.toml is right: 2 services, 2 capabilities." in shown
    assert "index (memory, requires cache): breaker > call\n  Memory 1.0 answers in " in shown
    assert shown.endswith(
        "\n\nsearch (CRITICAL): requires index; prefers cache (25% of it)"
        "\n\nhelp (BEST_EFFORT): needs one of search, cache\n"
    )


def test_capabilities_as_json(write: Write) -> None:
    """The shape that programs rely on."""
    shown = json.loads(program("check", write(OFFERED), "--json").stdout)
    assert shown["services"]["index"]["requires"] == ["cache"]
    assert shown["capabilities"] == {
        "search": {
            "requires": ["index"],
            "prefers": {"cache": 0.25},
            "any_of": [],
            "criticality": "CRITICAL",
            "importance": 1.0,
        },
        "help": {
            "requires": [],
            "prefers": {},
            "any_of": [["search", "cache"]],
            "criticality": "BEST_EFFORT",
            "importance": 1.0,
        },
    }


def test_the_configuration_of_the_environment(write: Write) -> None:
    """Without a file it is checked what Switchgear.from_env() would read, and variables are named as sources."""
    variable = "SWITCHGEAR__SERVICES__CACHE__BREAKER__PROBE_TIMEOUT"
    shown = run("check", "--json", **{"SWITCHGEAR_CONFIG": write(FILE), variable: "3"})
    breaker = json.loads(shown.stdout)["services"]["cache"]["breaker"]
    assert breaker["probe_timeout"] == {"value": 3.0, "source": variable}
    assert breaker["window.count"] == {"value": 50, "source": "switchgear.toml"}


def test_nothing_is_connected(garden: Garden, write: Write) -> None:
    """Without --probe a check runs offline."""
    garden.plant("offline", WORKING.replace("    yield settings", "    raise AssertionError('connected')\n    yield"))
    file = write('[services.x]\nplugin = "offline"')
    assert run("check", file).exit_code == 0
    assert run("check", file, "--probe").exit_code == 1


def test_settings_are_not_shown(write: Write) -> None:
    """They may be secret."""
    assert "hunter2" not in program("check", write(FILE), "--probe").stdout


# -- what is wrong ---------------------------------------------------------------------------------------------------


def test_all_problems_are_listed(write: Write) -> None:
    """Exit code 2, on standard error, each with the path of its key."""
    shown = program("check", write(FILE + "failure_rate_treshold = 0.5\nprobe_timeout = -1"))
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr == (
        "Error: switchgear.toml has 2 problems:\n"
        "- services.cache.breaker.failure_rate_treshold: There is no key 'failure_rate_treshold'. "
        "Did you mean 'failure_rate_threshold'?\n"
        "- services.cache.breaker.probe_timeout: -1.0 is no length of time. Give seconds, above 0.\n"
    )


def test_problems_as_json(write: Write) -> None:
    """Programs get them as data, and people still on standard error."""
    shown = program("check", write("[services.cache]"), "--json")
    assert shown.returncode == 2
    assert json.loads(shown.stdout) == {
        "ok": False,
        "source": "switchgear.toml",
        "services": {},
        "capabilities": {},
        "problems": [{"key": "services.cache.plugin", "problem": "This key is missing."}],
    }
    assert shown.stderr == "Error: switchgear.toml: services.cache.plugin: This key is missing.\n"


# -- --probe ---------------------------------------------------------------------------------------------------------

IDENTIFY, PROBE = 'return "Memory 1.0"', "return True"
DENIED = "raise PermissionError('ask no questions')"

PROBED = {
    "it answers": ({}, 0, "Memory 1.0 answers in ", (True, "Memory 1.0", None)),
    "it does not say who it is": (
        {IDENTIFY: DENIED},
        0,
        "a server that does not say its name answers in ",
        (True, None, None),
    ),
    "it is down": (
        {PROBE: "raise ConnectionError('refused by amqp://me:hunter2@host')"},
        1,
        "FAILED: ConnectionError: refused by amqp://***@host",
        (False, None, "ConnectionError: refused by amqp://***@host"),
    ),
    "it hangs": (
        {PROBE: "import anyio; await anyio.sleep_forever()"},
        1,
        "FAILED: It did not answer within 0.2 s.",
        (False, None, "It did not answer within 0.2 s."),
    ),
    "its plugin cannot tell, but it says who it is": (
        {PROBE: "return False"},
        0,
        "Memory 1.0 answers",
        (True, "Memory 1.0", None),
    ),
    "its plugin cannot tell at all": (
        {PROBE: "return False", IDENTIFY: DENIED},
        0,
        "connected to a server that does not say its name; its plugin cannot tell whether it serves",
        (None, None, None),
    ),
    "no probe, no name": (
        {"probe=probe,": "", IDENTIFY: DENIED},
        1,
        "FAILED: PermissionError: ask no questions",
        (False, None, "PermissionError: ask no questions"),
    ),
    "it cannot be connected": (
        {"    yield settings": "    raise OSError('no route')\n    yield"},
        1,
        "FAILED: OSError: no route",
        (False, None, "OSError: no route"),
    ),
    "its sdk is missing": (
        {"    yield settings": "    import no_such_sdk\n    yield"},
        2,
        'pip install "memory-sdk>=2"',
        None,
    ),
    "its settings are wrong": (
        {"    yield settings": "    raise ConfigurationError('No URL.', key='url')\n    yield"},
        2,
        "FAILED: services.it.settings.url: No URL.",
        (False, None, "services.it.settings.url: No URL."),
    ),
}


@pytest.mark.parametrize(("changes", "code", "said", "as_json"), PROBED.values(), ids=PROBED)
def test_a_probe(
    garden: Garden,
    write: Write,
    changes: dict[str, str],
    code: int,
    said: str,
    as_json: tuple[bool | None, str | None, str | None] | None,
) -> None:
    """Each backend is connected and asked for a sign of life; one that gives none does not stop the others' probes."""
    plugin = WORKING
    for old, new in changes.items():
        assert old in plugin
        plugin = plugin.replace(old, new)
    garden.plant("changed", plugin)
    file = write('[services.it]\nplugin = "changed"\nbreaker.probe_timeout = 0.2\n[services.other]\nplugin = "memory"')
    shown = run("check", file, "--probe")
    assert shown.exit_code == code
    assert said in shown.stdout
    assert "Memory 1.0 answers in" in shown.stdout.partition("other (memory)")[2]
    assert bool(shown.stderr) == (code == 2)
    if as_json is not None:
        shown = run("check", file, "--probe", "--json")
        assert shown.exit_code == code
        result = json.loads(shown.stdout)
        probe = result["services"]["it"]["probe"]
        assert (probe["ok"], probe["server"], probe["error"]) == as_json
        assert result["ok"] == (code == 0)
        assert (probe["latency"] is not None) == said.endswith(" in ")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_real_server_is_named(write: Write) -> None:
    """Against a running Valkey the probe passes and shows its version; against a stopped one it fails."""
    import anyio.to_thread

    try:
        async with ValkeyServer() as server:
            file = write(f'[services.cache]\nplugin = "redis"\nsettings.url = "{server.url}"')
            up = await anyio.to_thread.run_sync(program, "check", file, "--probe")
    except ServerUnavailable as exc:
        pytest.skip(str(exc))
    down = await anyio.to_thread.run_sync(program, "check", file, "--probe")
    assert (up.returncode, down.returncode) == (0, 1), up.stderr + down.stderr
    assert "Valkey " in up.stdout
    assert "FAILED: ConnectionError" in down.stdout
    assert "Traceback" not in up.stderr + down.stderr
