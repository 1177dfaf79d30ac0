"""What is known of a deployment: asked once, judged afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from switchgear._document import Service, State
from switchgear._errors import ConfigurationError
from switchgear._gear_config import GearConfig, ServiceConfig
from switchgear._spec import ClientLimits
from switchgear.cli._probe import Probed
from switchgear.cli._remote import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of connecting a service."""

    probed: Probed
    limits: ClientLimits = field(default_factory=ClientLimits)
    gauges: frozenset[str] = frozenset()
    #: What its account may do -> "", or why not. None: its plugin cannot tell, or the account was not accepted at all.
    permissions: Mapping[str, str] | None = None
    raised: tuple[str, ...] = ()  #: what functions of its plugin raised that should not


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What the process said. A text in place of an answer says why there was none."""

    url: str
    answers: Mapping[str, Answer | str]
    events: str  #: the kind of the first event
    state: State | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """What was seen while a service was isolated, and after it was closed again."""

    service: str
    during: State
    alive: Answer
    ready: Answer
    metrics: Answer
    after: State  #: once it was healthy again, or patience was at an end
    returned: State  #: once all levels were back, or patience was at an end
    seconds: float  #: that the levels took


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A drill, from a state in which all was well; or none, where it was not."""

    before: State
    services: tuple[Drilled, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it. What was not asked for is None."""

    source: str
    problems: tuple[ConfigurationError, ...] = ()
    config: GearConfig = field(default_factory=GearConfig)  #: of no services where there are problems
    literals: tuple[str, ...] = ()  #: keys of secrets that stand in the file as they are
    asked: Mapping[str, Asked] = field(default_factory=dict[str, Asked])
    running: Running | None = None
    rules: Mapping[str, str] = field(default_factory=dict[str, str])  #: files of rules -> "", or what promtool says
    drill: Drill | None = None

    def services(self) -> Iterator[tuple[ServiceConfig, Asked]]:
        """Those that were connected, or at least tried."""
        for service in self.config.services:
            if service.name in self.asked:
                yield service, self.asked[service.name]


def named(state: State, service: str) -> Service:
    """The service of that name."""
    return next(one for one in state.services if one.name == service)
