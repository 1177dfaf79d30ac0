"""What a gear is configured to connect, as frozen data; `_config.py` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from switchgear._breaker_config import BreakerConfig
from switchgear._graph import Capability, Graph
from switchgear._pipeline import Strategy
from switchgear._score import HealthConfig
from switchgear._spec import Backend

if TYPE_CHECKING:
    from switchgear._plugins import PluginInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """One service. Its settings may hold secrets, so they are in no repr."""

    name: str
    plugin: str
    backend: Backend[Any, Any] = field(repr=False)
    settings: Any = field(repr=False)
    breaker: BreakerConfig
    health: HealthConfig = field(default_factory=HealthConfig)
    #: What its pipeline is made of, outermost first; None: it has none, and calls go by its breaker alone.
    pipeline: tuple[Strategy, ...] | None = None
    requires: tuple[str, ...] = ()  #: the services without which it cannot serve
    #: Keys of the breaker that were set, as paths inside its table -> the file or the variable that set them.
    origins: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GearConfig:
    """All services, in the order in which they are connected, what the application offers by them, and where that was
    read from.
    """

    services: tuple[ServiceConfig, ...] = ()
    capabilities: Mapping[str, Capability] = field(default_factory=dict[str, Capability])
    plugins: tuple[PluginInfo, ...] = ()  #: those that the services name
    source: str = ""

    def graph(self) -> Graph:
        """What needs what. Raises ConfigurationError for names that are not known, and for cycles."""
        return Graph({service.name: service.requires for service in self.services}, self.capabilities)
