"""Clients are guarded because they are made: of configured services, or under names of their own, once."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switchgear import (
    BreakerConfig,
    ConfigurationError,
    Instrumentation,
    MissingDependency,
    Switchgear,
    instrument,
    process_gear,
)
from switchgear._gear_config import GearConfig, ServiceConfig
from tests.acme import Acme, Settings, a_process_gear_of_its_own
from tests.planted import WORKING, Garden


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Acme:
    return Acme(tmp_path, monkeypatch)


@pytest.fixture
def gear() -> Switchgear:
    return Switchgear()


@pytest.fixture
def instrumented(acme: Acme, gear: Switchgear) -> Iterator[Acme]:
    """The SDK, imported after its clients were to be guarded in `gear`."""
    with Instrumentation(gear, [acme.backend]):
        importlib.import_module(acme.name)
        yield acme


def configured(acme: Acme, **hosts: str) -> Switchgear:
    """A gear with one service at each host."""
    breaker = BreakerConfig(consecutive_failures=3, probe_with="health")
    services = (
        ServiceConfig(
            name=name, plugin="acme", backend=acme.backend, settings=Settings(host=host), breaker=breaker
        )
        for name, host in hosts.items()
    )  # fmt: skip
    return Switchgear(GearConfig(services=tuple(services)))


# -- whom it finds -----------------------------------------------------------------------------------------------------


def test_nothing_is_imported_before_the_application_does(acme: Acme, gear: Switchgear) -> None:
    """Who never uses the SDK pays nothing for its plugin."""
    with Instrumentation(gear, [acme.backend]):
        assert not acme.imported


def test_each_client_is_guarded_when_it_is_made(instrumented: Acme, gear: Switchgear) -> None:
    """It goes by a service that is named after its address; what has the same address is the same service."""
    assert [instrumented.client(host).call() for host in ("a:1", "b:1", "a:1")] == ["acme-a:1", "acme-b:1", "acme-a:1"]
    assert sorted(gear.services) == ["acme-a:1", "acme-b:1"]


def test_an_sdk_that_was_imported_before_is_covered_too(acme: Acme, gear: Switchgear) -> None:
    """Names that the application has bound already are no way round it."""
    client = importlib.import_module(acme.name).Client
    with Instrumentation(gear, [acme.backend]):
        assert client("a:1").call() == "acme-a:1"


def test_what_is_undone_guards_no_more(acme: Acme, gear: Switchgear) -> None:
    """New clients are as they were without it, of an SDK that is imported afterwards too; guarded ones stay so."""
    instrumentation = Instrumentation(gear, [acme.backend])
    importlib.import_module(acme.name)
    before = acme.client("a:1")
    instrumentation.undo()
    instrumentation.undo()
    assert acme.client("a:1").call() == "unguarded"
    assert before.call() == "acme-a:1"
    importlib.reload(importlib.import_module(acme.name))
    assert acme.client("a:1").call() == "unguarded"


def test_the_latest_instrumentation_guards(instrumented: Acme, gear: Switchgear) -> None:
    """As an application's own does, in a process that `switchgear run` started."""
    own = Switchgear()
    with Instrumentation(own, [instrumented.backend]):
        instrumented.client("a:1")
    assert (sorted(own.services), sorted(gear.services)) == (["acme-a:1"], [])
    instrumented.client("a:1")
    assert sorted(gear.services) == ["acme-a:1"]


def test_clients_of_other_services_are_passed_over(instrumented: Acme, gear: Switchgear) -> None:
    """One class makes clients of many services, of which the plugin knows one."""
    assert instrumented.client("elsewhere").call() == "unguarded"
    assert gear.services == {}


def test_threads_may_make_clients_at_once(instrumented: Acme, gear: Switchgear) -> None:
    """All clients of an address go by one service, whoever comes first."""
    ready = threading.Barrier(8)
    services: list[Any] = []

    def make() -> None:
        ready.wait()
        services.append(instrumented.client("a:1").service)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(services) == {gear.service("acme-a:1")}


# -- what it does not break --------------------------------------------------------------------------------------------


def test_what_cannot_be_guarded_works_unguarded(
    instrumented: Acme, gear: Switchgear, caplog: pytest.LogCaptureFixture
) -> None:
    """The application gets its client; the log says why, once, and no secret."""
    assert [instrumented.client("odd").call() for _ in range(3)] == ["unguarded"] * 3
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "A client of acme is not guarded, and works as it did. ValueError: cannot be guarded" in record.getMessage()
    assert "hunter2" not in record.getMessage()


def test_a_constructor_that_fails_does_so_as_ever(instrumented: Acme, gear: Switchgear) -> None:
    """With its own exception, and no service is made of it."""
    with pytest.raises(ValueError, match="unguardable"):
        instrumented.client("unguardable")
    assert gear.services == {}


def test_an_sdk_that_has_changed_is_imported_as_ever(
    acme: Acme, gear: Switchgear, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the method is gone that made its clients, they are not guarded, and the log says so."""
    backend = acme.backend
    assert backend.instrument is not None
    object.__setattr__(backend.instrument, "made_by", (f"{acme.name}:Former.__init__",))
    with Instrumentation(gear, [backend]):
        importlib.import_module(acme.name)
    assert acme.client("a:1").call() == "unguarded"
    assert "has no attribute 'Former'" in caplog.text


# -- one layer guards --------------------------------------------------------------------------------------------------


def test_who_guards_by_hand_takes_over(instrumented: Acme, gear: Switchgear) -> None:
    """The client goes by the service that the application meant, in whichever gear, and by that alone."""
    client = instrumented.client("a:1")
    own = Switchgear()
    assert own.guard(client, instrumented.backend, name="orders") is client
    assert client.call() == "orders"
    with pytest.raises(ConfigurationError, match="guarded already, as the service 'orders'"):
        own.guard(client, instrumented.backend, name="other")


def test_what_shares_connections_with_a_guarded_client_joins_it(instrumented: Acme, gear: Switchgear) -> None:
    """A client on somebody's pool is not guarded a second time, as another service."""
    client = instrumented.client("a:1")
    gear.guard(client, instrumented.backend, name="orders")
    borrower = instrumented.client("b:1", shared=client)
    assert borrower.call() == "orders"
    assert "acme-b:1" not in gear.services


def test_a_service_looks_only_at_its_own_clients(instrumented: Acme, gear: Switchgear) -> None:
    """What was taken over counts for one service, not for two."""
    backend = instrumented.backend_of(saturation=lambda client: {client.host: 1.0})
    client, other = instrumented.client("x:1"), instrumented.client("x:1")
    own = Switchgear()
    own.guard(other, backend, name="first")
    own.guard(client, backend, name="first")
    assert own.service("first").saturations() == {"x:1": 1.0}
    client.service = None
    later = Switchgear()
    later.guard(client, backend, name="first")
    other.service = None
    later.guard(other, backend, name="first")
    assert own.service("first").saturations() == {}


# -- names and configurations ------------------------------------------------------------------------------------------


def test_a_client_is_the_service_that_is_configured_for_its_address(acme: Acme) -> None:
    """With its breaker; only that the checks of nobody else's clients are left out."""
    gear = configured(acme, orders="DB.example:5432", users="other:5432")
    with Instrumentation(gear, [acme.backend]):
        importlib.import_module(acme.name)
        assert acme.client("db.example:5432").call() == "orders"
    config = gear.service("orders").group.config
    assert (config.consecutive_failures, config.probe_with) == (3, "traffic")


def test_a_service_of_no_configuration_is_as_recommended(instrumented: Acme, gear: Switchgear) -> None:
    """But for the active check, which would go through clients that are the application's."""
    instrumented.client("a:1")
    config = gear.service("acme-a:1").group.config
    assert (config.consecutive_failures, config.probe_with) == (7, "traffic")


def test_names_are_fit_for_urls_and_bounded(instrumented: Acme, gear: Switchgear) -> None:
    """Nothing but letters, digits and . _ : -, at most 80 of them; and after a hundred addresses, one for the rest."""
    assert instrumented.client("/run/a b/ö.sock").call() == "acme-run-a-b-.sock"
    assert len(instrumented.client("x" * 200).call()) == 80
    for number in range(300):
        instrumented.client(f"tenant-{number}:1")
    assert len(gear.services) == 101
    assert instrumented.client("tenant-299:1").call() == "acme-others"
    assert instrumented.client("tenant-0:1").call() == "acme-tenant-0:1"


def test_a_client_can_be_guarded_by_hand_without_a_name(acme: Acme, gear: Switchgear) -> None:
    """It gets the one that it would have got by itself; a client without an address needs one."""
    importlib.import_module(acme.name)
    assert gear.guard(acme.client("a:1"), acme.backend).call() == "acme-a:1"
    with pytest.raises(ConfigurationError, match="Guard it under a name"):
        gear.guard(acme.client("elsewhere"), acme.backend)


def test_the_configuration_holds_for_a_client_that_is_guarded_under_its_name(acme: Acme) -> None:
    """Breaker and all, as for one that the gear connects itself."""
    gear = configured(acme, orders="a:1")
    importlib.import_module(acme.name)
    gear.guard(acme.client("elsewhere"), acme.backend, name="orders")
    assert gear.breaker("orders").config == BreakerConfig(consecutive_failures=3, probe_with="health")


def test_no_client_is_kept_alive(instrumented: Acme, gear: Switchgear) -> None:
    """They are the application's: the gear gives out the latest as long as there is one, and then says so."""
    first, second = instrumented.client("a:1"), instrumented.client("a:1")
    assert gear.client("acme-a:1") is second
    del second
    assert gear.client("acme-a:1") is first
    del first
    with pytest.raises(ConfigurationError, match="are the application's own, which has none at present"):
        gear.client("acme-a:1")


# -- the function ------------------------------------------------------------------------------------------------------

PLANTED = (
    WORKING.replace("import Backend,", "import Backend, Instrument,")
    .replace("    sdk=", '    instrument=Instrument(made_by=("{sdk}:Client.__init__",), address=address, '
             "address_in=lambda settings: None),\n    sdk=")
    .replace("def guard(client, service):\n    return client",
             "def guard(client, service):\n    client.service = service\n    return client\n\n"
             "def address(client):\n    return client.host")
)  # fmt: skip


@pytest.fixture
def garden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Garden]:
    for name in ("SWITCHGEAR_CONFIG", "SWITCHGEAR_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    with a_process_gear_of_its_own():
        yield Garden(tmp_path, monkeypatch)


def test_all_installed_plugins_are_meant(garden: Garden, acme: Acme) -> None:
    """Their clients are services of the process' gear."""
    garden.plant("memory", PLANTED.replace("{sdk}", acme.name))
    with instrument() as instrumentation:
        importlib.import_module(acme.name)
        assert acme.client("a:1").call() == "memory-a:1"
    assert instrumentation.gear is process_gear()
    assert list(process_gear().services) == ["memory-a:1"]


def test_a_broken_plugin_stops_nobody(garden: Garden, acme: Acme, caplog: pytest.LogCaptureFixture) -> None:
    """The others guard; the log names it."""
    garden.plant("broken", "raise RuntimeError('out of luck')")
    garden.plant("memory", PLANTED.replace("{sdk}", acme.name))
    with instrument():
        importlib.import_module(acme.name)
        assert acme.client("a:1").call() == "memory-a:1"
    assert "Clients of the plugin broken are not guarded. RuntimeError: out of luck" in caplog.text
    states = {plugin.name: str(plugin.state) for plugin in process_gear().plugins}
    assert (states["broken"], states["memory"]) == ("BROKEN", "ACTIVE")


def test_plugins_can_be_named(garden: Garden, acme: Acme, gear: Switchgear) -> None:
    """Then only they guard, and one that cannot is an error, as is one that is not there."""
    garden.plant("memory", PLANTED.replace("{sdk}", acme.name))
    garden.plant("silent")
    importlib.import_module(acme.name)
    with instrument(gear, plugins=["redis"]):
        assert acme.client("a:1").call() == "unguarded"
    with instrument(gear, plugins=["memory"]):
        assert acme.client("a:1").call() == "memory-a:1"
    with pytest.raises(ConfigurationError, match="does not say where its clients are made"):
        instrument(gear, plugins=["silent"])
    with pytest.raises(ConfigurationError, match=r"There is no plugin 'memroy'\. Did you mean 'memory'\?"):
        instrument(gear, plugins=["memroy"])


def test_the_environment_configures_the_gear_of_the_process(
    garden: Garden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that SWITCHGEAR_CONFIG names; without one there is nothing to read, and nothing else to install."""
    garden.plant("memory")
    (tmp_path / "gear.toml").write_text('[services.orders]\nplugin = "memory"\n')
    monkeypatch.setenv("SWITCHGEAR_CONFIG", str(tmp_path / "gear.toml"))
    assert "orders" in process_gear().degradation.graph.services
    assert process_gear() is process_gear()


def test_a_wrong_configuration_is_an_error(garden: Garden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of who calls instrument(), not of who makes a client later."""
    monkeypatch.setenv("SWITCHGEAR_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigurationError, match=r"none\.toml"):
        instrument()


def test_a_plugin_of_ours_that_is_missing_is_named(garden: Garden, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    from switchgear import _plugins

    monkeypatch.setattr(_plugins, "_discover", dict)
    with pytest.raises(MissingDependency, match="switchgear-redis"):
        instrument(plugins=["redis"])
