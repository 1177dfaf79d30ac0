"""Finding plugins and loading them. The only module that uses pluggy's manager.

Reading the list imports nothing. A plugin is imported when it is named, by a configuration or by `load`, and whatever
it does then concerns it alone: it ends in one of five states, and the others work.
"""

from __future__ import annotations

import logging
import os
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from importlib.metadata import EntryPoint, distributions
from typing import Any

import pluggy

from switchgear import _hookspecs
from switchgear._declared import AnyBackend, Misdeclared, Offered, checked_backends, checked_strategies
from switchgear._errors import ConfigurationError, MissingDependency, PluginError, nearest
from switchgear._hookspecs import PROJECT, VERSION
from switchgear._pipeline import Strategy
from switchgear._redact import describe, redact

_log = logging.getLogger("switchgear")

GROUP = "switchgear"
ALLOW_LIST = "SWITCHGEAR_PLUGINS"

#: Plugins of ours, each in the distribution switchgear-NAME, so that a missing one can be told from a wrong name.
FIRST_PARTY = ("db", "openai", "redis", "s3")


class PluginState(Enum):
    """What became of a plugin."""

    ACTIVE = "active"  #: loaded
    BLOCKED = "blocked"  #: not on the allow-list, and not imported
    CONFLICT = "conflict"  #: two distributions offer the name, and neither is imported
    INCOMPATIBLE = "incompatible"  #: written for another major version of the SPI
    BROKEN = "broken"  #: it raised, or it returned what it may not

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """A plugin as `switchgear plugins` shows it."""

    name: str
    dist: str
    version: str
    state: PluginState
    #: The version of the SPI that it was written for; None where it was not imported.
    spi: str | None = None
    operations: tuple[str, ...] = ()
    #: Why it is not ACTIVE, as a sentence or two, and what to do.
    error: str | None = None
    #: Where it was raised, of one that is BROKEN; text, so that no failed frame is kept alive.
    traceback: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class _Offer:
    """A distribution's entry point."""

    name: str
    dist: str
    version: str
    entry_point: EntryPoint

    def info(self, state: PluginState, error: str | None, **known: Any) -> PluginInfo:
        return PluginInfo(name=self.name, dist=self.dist, version=self.version, state=state, error=error, **known)


_Loaded = tuple[tuple[PluginInfo, ...], Offered]


class Plugins:
    """The installed plugins. `chosen` says which distribution's plugin is meant where two have the same name.

    The environment variable SWITCHGEAR_PLUGINS is an allow-list ("redis,s3"): set, even to nothing, it blocks all
    others. Raises ConfigurationError for a name in it, or a choice, that fits nothing installed.
    """

    def __init__(self, *, chosen: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._offers = _discover()
        self._allowed = self._allow_list(os.environ if environ is None else environ)
        self._loaded: dict[str, _Loaded] = {}
        for name, dist in (chosen or {}).items():
            self._choose(name, dist)

    def load(self, name: str) -> tuple[AnyBackend, ...]:
        """The backends of a plugin, which is imported now if it was not before.

        Raises MissingDependency for one of ours that is not installed, ConfigurationError for a name that nobody
        knows, and PluginError for a plugin that is not ACTIVE.
        """
        backends = self._active(name).backends
        if not backends:
            raise PluginError(name, str(PluginState.ACTIVE), "It guards no backend, it has strategies only.")
        return backends

    def strategies(self, name: str) -> tuple[type[Strategy], ...]:
        """The strategies of a plugin, which is imported now if it was not before. Raises as `load` does."""
        return self._active(name).strategies

    def _active(self, name: str) -> Offered:
        if name not in self._offers:
            if name in FIRST_PARTY:
                raise MissingDependency(f"The plugin {name!r}", install=f"switchgear-{name}")
            raise ConfigurationError.unknown("plugin", name, {*self._offers, *FIRST_PARTY})
        infos, offered = self._once(name)
        if infos[0].state is not PluginState.ACTIVE:
            raise PluginError(name, str(infos[0].state), infos[0].error or "")
        return offered

    def infos(self) -> list[PluginInfo]:
        """All plugins by name, each of them loaded, so that its state is known."""
        return [info for name in sorted(self._offers) for info in self._once(name)[0]]

    def backends(self) -> tuple[AnyBackend, ...]:
        """The backends of all plugins that are ACTIVE, each of them loaded."""
        return tuple(backend for name in sorted(self._offers) for backend in self._once(name)[1].backends)

    def loaded(self) -> tuple[PluginInfo, ...]:
        """Those that were loaded so far, by name."""
        return tuple(info for name in sorted(self._loaded) for info in self._loaded[name][0])

    def _once(self, name: str) -> _Loaded:
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> _Loaded:
        offers = list(self._offers[name].values())
        if self._allowed is not None and name not in self._allowed:
            error = f"It is not on the allow-list {ALLOW_LIST}. Add it there if you want it."
            return tuple(offer.info(PluginState.BLOCKED, error) for offer in offers), Offered()
        if len(offers) > 1:
            error = (
                f"The distributions {' and '.join(offer.dist for offer in offers)} both offer a plugin of this name. "
                "Uninstall one, or say which one you mean in the configuration: "
                f'[plugins] {name} = "{offers[0].dist}".'
            )
            return tuple(offer.info(PluginState.CONFLICT, error) for offer in offers), Offered()
        return _load(offers[0])

    def _choose(self, name: str, dist: str) -> None:
        offers = self._offers.get(name)
        key = f"plugins.{name}"
        if offers is None:
            raise ConfigurationError.unknown("plugin", name, self._offers, key=key)
        if _normal(dist) not in offers:
            known = [offer.dist for offer in offers.values()]
            raise ConfigurationError.unknown(f"plugin {name!r} in a distribution", dist, known, key=key)
        self._offers[name] = {_normal(dist): offers[_normal(dist)]}

    def _allow_list(self, environ: Mapping[str, str]) -> frozenset[str] | None:
        listed = environ.get(ALLOW_LIST)
        if listed is None:
            return None
        names = frozenset(name for item in listed.split(",") if (name := item.strip()))
        for name in sorted(names - self._offers.keys()):
            raise ConfigurationError.unknown("plugin", name, self._offers, key=ALLOW_LIST)
        return names


def _discover() -> dict[str, dict[str, _Offer]]:
    """All entry points, by name and distribution, without importing any."""
    offers: dict[str, dict[str, _Offer]] = {}
    for dist in distributions():
        # Each on its own: importlib's entry_points() fails as a whole when one distribution's metadata is damaged.
        try:
            for entry_point in dist.entry_points.select(group=GROUP):
                offer = _Offer(entry_point.name, dist.name, dist.version, entry_point)
                # A distribution that is found twice on sys.path is imported from where it is found first.
                offers.setdefault(offer.name, {}).setdefault(_normal(offer.dist), offer)
        except Exception as exc:  # noqa: BLE001 - foreign files, in whatever state
            _log.warning("A distribution is passed over, its metadata is damaged: %s (%s)", dist, describe(exc)[1])
    return offers


def _normal(dist: str) -> str:
    """The name of a distribution as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", dist).lower()


def _load(offer: _Offer) -> _Loaded:
    """Import a plugin and ask its hooks, whatever that does."""
    spi = None
    try:
        plugin = offer.entry_point.load()
        spi = getattr(plugin, "SPI_VERSION", VERSION)
        if _major(spi) != _major(VERSION):
            error = (
                f"It is written for version {spi} of the SPI, and this switchgear has {VERSION}. "
                f"Upgrade whichever is older: pip install --upgrade switchgear {offer.dist}"
            )
            return (offer.info(PluginState.INCOMPATIBLE, error, spi=spi),), Offered()
        offered = _ask(plugin, offer.name)
    except KeyboardInterrupt:
        raise
    except Misdeclared as exc:
        return (offer.info(PluginState.BROKEN, f"{exc} This is for its authors to mend.", spi=spi),), Offered()
    except BaseException as exc:  # noqa: BLE001 - an import may raise anything; even SystemExit is no reason to exit
        error = f"{': '.join(filter(None, describe(exc)))}. Upgrade {offer.dist}, or report this to its authors."
        return (offer.info(PluginState.BROKEN, error, spi=spi, traceback=_redacted_traceback(exc)),), Offered()
    operations = tuple(operation.name for backend in offered.backends for operation in backend.operations)
    return (offer.info(PluginState.ACTIVE, None, spi=spi, operations=operations),), offered


def _major(spi: object) -> str:
    if not isinstance(spi, str) or not re.fullmatch(r"\d+\.\d+", spi):
        raise Misdeclared(f'Its SPI_VERSION is {spi!r}. Write it as text, major.minor: SPI_VERSION = "{VERSION}".')
    return spi.partition(".")[0]


def _ask(plugin: object, name: str) -> Offered:
    """What a plugin's hooks return. A manager of its own, so that no plugin's hooks see another's."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(_hookspecs)
    known = vars(manager.hook).copy()
    try:
        manager.register(plugin)
    except pluggy.PluginValidationError as exc:
        raise Misdeclared(" ".join(str(exc).split()) + ".") from exc
    hooks = manager.get_hookcallers(plugin) or []
    for hook in hooks:
        if not hook.has_spec() and not all(impl.optionalhook for impl in hook.get_hookimpls()):
            raise Misdeclared(f"There is no hook {hook.name!r}.{nearest(hook.name, known)}")
    if not hooks:
        raise Misdeclared("It implements no hook. Decorate its register_backends() with @hookimpl.")
    implemented = {hook.name for hook in hooks}
    backends, strategies = manager.hook.register_backends(), manager.hook.register_strategies()
    return Offered(
        checked_backends(_first(backends)) if "register_backends" in implemented else (),
        checked_strategies(_first(strategies), name) if "register_strategies" in implemented else (),
    )


def _first(returned: list[object]) -> object:
    """What the one plugin returned; pluggy leaves out None."""
    return returned[0] if returned else None


def _redacted_traceback(exc: BaseException) -> str:
    lines = "".join(traceback.format_exception(exc)).splitlines()
    return "\n".join(line[: len(line) - len(line.lstrip())] + redact(line) for line in lines)
