"""Asking the file, the backends and promtool."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio

from switchgear._config import read_toml
from switchgear._errors import ConfigurationError
from switchgear._gear_config import GearConfig, ServiceConfig
from switchgear._keypath import Table, dotted
from switchgear._redact import describe, redact
from switchgear._rules import as_yaml
from switchgear._spec import ClientLimits
from switchgear._toml import read_tables
from switchgear.cli._probe import Probed, probe_all
from switchgear.cli._validate._facts import Asked

T = TypeVar("T")

#: The share of calls that ours are about, 0..1; the rules have the same form for any.
_OBJECTIVE = 0.99


# -- the file --------------------------------------------------------------------------------------------------------


def read_file(file: str) -> tuple[GearConfig, tuple[ConfigurationError, ...]]:
    """The configuration, or what is wrong with it."""
    try:
        return read_toml(file), ()
    except ConfigurationError as error:
        return GearConfig(source=file), error.errors or (error,)


def literal_secrets(config: GearConfig) -> tuple[str, ...]:
    """The keys of secrets that stand in the file as they are."""
    if not config.services:
        return ()
    tables = read_tables(config.source)
    return tuple(key for service in config.services for key in _literals(service, tables))


def _literals(service: ServiceConfig, tables: Table) -> Iterator[str]:
    given = tables["services"][service.name].get("settings", {})
    for setting in fields(service.backend.settings):
        value = given.get(setting.name)
        if not setting.repr and isinstance(value, str) and "${" not in value and _is_secret(value):
            yield dotted(("services", service.name, "settings", setting.name))


def _is_secret(value: str) -> bool:
    """A URL is one when there is a password in it; anything else that a plugin calls a secret is."""
    if "://" not in value:
        return bool(value)
    try:
        return urlsplit(value).password is not None
    except ValueError:
        return True


# -- the backends ----------------------------------------------------------------------------------------------------


def ask_backends(config: GearConfig, domains: Mapping[str, Sequence[str]]) -> Mapping[str, Asked]:
    """What came of connecting each service, all at once; `domains` are those that they are known to have."""
    inspected = {service.name: _Inspection(domains.get(service.name, ())) for service in config.services}

    async def inspect(service: ServiceConfig, client: Any) -> None:
        await inspected[service.name].run(service, client)

    probed = anyio.run(probe_all, config, inspect)
    return {name: inspection.asked(probed[name]) for name, inspection in inspected.items()}


@dataclass
class _Inspection:
    """What a plugin says of a client, besides what its probe says."""

    domains: Sequence[str]
    limits: ClientLimits = field(default_factory=ClientLimits)
    gauges: frozenset[str] = frozenset()
    permissions: Mapping[str, str] | None = None
    denied: str = ""
    raised: list[str] = field(default_factory=list[str])

    def asked(self, probed: Probed) -> Asked:
        """All that is known of the service."""
        if probed.ok is not False and self.denied:  # else whatever denied the one has denied the other
            self.raised.append(f"permissions() raised {self.denied}")
        return Asked(
            probed=probed,
            limits=self.limits,
            gauges=self.gauges,
            permissions=self.permissions,
            raised=tuple(self.raised),
        )

    async def run(self, service: ServiceConfig, client: Any) -> None:
        """Ask. Raises nothing."""
        backend = service.backend
        if backend.limits is not None:
            limits = backend.limits
            self.limits = self._told("limits", lambda: limits(client, service.settings), self.limits)
        if backend.gauges is not None:
            gauges = backend.gauges
            self.gauges = self._told("gauges", lambda: frozenset(gauges(client)), self.gauges)
        if backend.permissions is not None:
            try:
                told = await backend.permissions(client, self.domains)
                self.permissions = {what: redact(why) for what, why in told.items()}
            except Exception as exc:  # noqa: BLE001 - nobody answers, or the account is none; or it is a mistake
                self.denied = ": ".join(filter(None, describe(exc)))

    def _told(self, what: str, tell: Callable[[], T], otherwise: T) -> T:
        try:
            return tell()
        except Exception as exc:  # noqa: BLE001 - a plugin's mistake is a finding, and no reason to find out nothing
            self.raised.append(f"{what}() raised {': '.join(filter(None, describe(exc)))}")
            return otherwise


# -- promtool --------------------------------------------------------------------------------------------------------


def check_rules(files: Sequence[str]) -> Mapping[str, str]:
    """Files of recording and alerting rules, and those that `switchgear rules` prints -> "" where Prometheus would load
    them, else why not. Ours are left out where there is no promtool to tell.
    """
    promtool = shutil.which("promtool")
    if promtool is None:
        return dict.fromkeys(files, "promtool is not installed, so nobody knows. It comes with Prometheus.")
    with TemporaryDirectory() as folder:
        ours = Path(folder, "rules.yml")
        ours.write_text(as_yaml(_OBJECTIVE))
        told = {"switchgear rules": _check_rules(promtool, str(ours))}
    return told | {file: _check_rules(promtool, file) for file in files}


def _check_rules(promtool: str, file: str) -> str:
    if not Path(file).is_file():
        return "There is no such file."
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    return redact(done.stderr or done.stdout, 1000) if done.returncode else ""
