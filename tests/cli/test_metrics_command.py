"""`switchgear metrics` lists what is exported, and `switchgear rules` makes alerts of it."""

from __future__ import annotations

import json

from switchgear._metrics import exported_name, registry
from switchgear._plugins import Plugins
from switchgear._rules import as_yaml
from tests.cli.support import program, run
from tests.planted import WORKING, Garden

OURS = {"SWITCHGEAR_PLUGINS": "db,openai,redis,s3"}


def test_all_metrics_as_json() -> None:
    """Each with its name, kind, unit, labels, buckets, help text and where it comes from."""
    shown = program("metrics", "--json", **OURS)
    assert (shown.returncode, shown.stderr) == (0, "")
    listed = json.loads(shown.stdout)
    assert [metric["name"] for metric in listed] == [
        exported_name(metric) for metric in registry(Plugins(environ=OURS).backends())
    ]
    [hits] = [metric for metric in listed if metric["name"] == "switchgear_redis_hits_total"]
    assert hits == {
        "name": "switchgear_redis_hits_total",
        "source": "redis",
        "kind": "counter",
        "unit": "",
        "labels": ["service"],
        "buckets": [],
        "help": "Keys and fields that GET, GETEX, GETDEL, MGET, HGET, HMGET found.",
    }


def test_all_metrics_as_text() -> None:
    """By source, with labels, on a terminal of any width."""
    lines = run("metrics", COLUMNS="40", **OURS).stdout.splitlines()
    assert [line for line in lines if line and line[0] != " "] == ["switchgear", "db", "openai", "redis", "s3"]
    assert "  switchgear_breaker_state{service, domain, state}  gauge" in lines
    assert "  switchgear_loop_lag_seconds  gauge" in lines


def test_a_broken_plugin_and_one_that_prints(garden: Garden) -> None:
    """The one is left out, the other is heard on standard error."""
    garden.plant("broken", "raise RuntimeError('out of luck')")
    garden.plant("memory", WORKING + "\nprint('hello from a plugin')\n")
    shown = program("metrics", "--json", SWITCHGEAR_PLUGINS="memory,broken")
    assert shown.returncode == 0
    assert {metric["source"] for metric in json.loads(shown.stdout)} == {"switchgear"}
    assert "hello from a plugin" in shown.stderr


def test_rules_for_an_objective() -> None:
    """99 % unless told otherwise; what cannot be meant is exit code 2 and words."""
    assert program("rules").stdout == as_yaml(0.99)
    assert run("rules", "--objective", "0.999").stdout == as_yaml(0.999)
    refused = program("rules", "--objective", "99")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "Error: objective: 99.0 is no share of calls to serve. Give it like 0.99.\n"
