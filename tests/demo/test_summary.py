"""The end of the demo says what was seen, and is not pleased with less than all."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from switchgear.demo._summary import Summary, draw, in_words, summarise
from tests.demo.support import Plant

PLUGINS = {"cache": "redis", "db": "db"}
SERVERS = {"cache": "Valkey 9.1.2", "db": "PostgreSQL 18.6"}


def suffer(plant: Plant, service: str, *, opens: bool = True, recovers: bool = True) -> None:
    """A fault of a service, a second after the last thing."""
    plant.clock.advance(1)
    act = plant.ledger.strikes(service, "is killed")
    if opens:
        plant.trip(service)
    plant.ledger.healed(act, "is back")
    if opens:
        plant.clock.advance(1)
        plant.pass_probes(service)
        plant.clock.advance(2)
    if recovers:
        plant.ledger.recovered(act)


def summary_of(plant: Plant) -> Summary:
    return summarise(plant.ledger, PLUGINS, SERVERS, ["browse"], 7)


def printed(summary: Summary, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), markup=False)
    console.print(draw(summary))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_all_tripped_and_recovered_is_ok() -> None:
    """The JSON has every field that it promises, in seconds and shares."""
    plant = Plant()
    suffer(plant, "cache")
    suffer(plant, "db")
    summary = summary_of(plant)
    assert json.loads(json.dumps(summary.to_json())) == {
        "ok": True,
        "services": {
            "cache": {
                "plugin": "redis",
                "server": "Valkey 9.1.2",
                "calls": 5,
                "failures": 2,
                "refused": 0,
                "trips": 1,
                "recovered": True,
                "time_to_protect": 0.5,
                "time_to_recover": 3.75,
            },
            "db": {
                "plugin": "db",
                "server": "PostgreSQL 18.6",
                "calls": 5,
                "failures": 2,
                "refused": 0,
                "trips": 1,
                "recovered": True,
                "time_to_protect": 0.5,
                "time_to_recover": 3.75,
            },
        },
        "capabilities": {
            "browse": {
                "goodput": {"before": None, "during_fault": None, "after": None},
                "lowest": "FULL",
                "levels": [[0.0, "FULL"]],
            },
        },
        "goodput": {"before": None, "during_fault": None, "after": None},
        "seed": 7,
    }
    assert in_words(summary).startswith("Every breaker opened within 0.5 s of its fault")


@pytest.mark.parametrize(
    ("opens", "recovers", "complaint"),
    [
        (True, False, "Not as it should be: db did not recover."),
        (False, True, "Not as it should be: db did not trip."),
        (False, False, "Not as it should be: db did not trip; db did not recover."),
    ],
)
def test_one_that_did_not_is_named(opens: bool, recovers: bool, complaint: str) -> None:
    """A single fault that was not noticed, or not recovered from, spoils it, though others of the service went well."""
    plant = Plant()
    suffer(plant, "cache")
    suffer(plant, "db")
    suffer(plant, "db", opens=opens, recovers=recovers)
    summary = summary_of(plant)
    assert not summary.ok
    assert in_words(summary) == complaint
    assert complaint in " ".join(printed(summary, 80).split())


def test_a_service_that_was_never_broken_proves_nothing() -> None:
    """Nothing tripped, so nothing was shown."""
    plant = Plant()
    suffer(plant, "cache")
    summary = summary_of(plant)
    assert not summary.ok
    assert not summary.services["db"].recovered


def test_of_several_faults_the_worst_counts() -> None:
    """Times are the longest of those that the service took."""
    plant = Plant()
    suffer(plant, "cache")
    plant.clock.advance(1)
    act = plant.ledger.strikes("cache", "is slow")
    plant.clock.advance(2)
    plant.trip()
    plant.ledger.healed(act, "is fast")
    plant.ledger.recovered(act)
    cache = summary_of(plant).services["cache"]
    assert (cache.time_to_protect, cache.time_to_recover) == (2.5, 3.75)


def test_the_table_fits_a_terminal_of_80_columns() -> None:
    """Each service is one line, also with the longest name of a server."""
    plant = Plant()
    suffer(plant, "cache")
    text = printed(summarise(plant.ledger, PLUGINS, {**SERVERS, "db": "OpenAI stand-in 0.1.0.dev0"}, [], 7), 80)
    [line] = [line for line in text.splitlines() if line.startswith("db")]
    assert "OpenAI stand-in 0.1.0.dev0" in line
    assert line.split()[-2:] == ["not", "not"]
