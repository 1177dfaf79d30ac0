"""What needs what: services and capabilities, checked when they are configured.

Three kinds of edges. Hard (`requires`): without it nothing goes. Soft (`prefers`, with a weight): without it so much is
lost. `any_of`: one of several is enough. Services have hard edges only, to other services; capabilities have all three,
to services and to other capabilities. There must be no cycle: then everything has a cause, and an order to recover in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from math import fsum, inf
from types import MappingProxyType

from switchgear._criticality import Criticality
from switchgear._errors import ConfigurationError
from switchgear._keypath import KeyPath, dotted

_ROUNDING = 1e-9  # ten weights of 0.1 may add up to a little more than 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What the application offers its users, and what it takes. The fields are the keys of `[capabilities.NAME]`.

    Raises ConfigurationError for values that cannot be meant.
    """

    #: What must be there: services, or other capabilities.
    requires: Sequence[str] = ()
    #: What it does better with -> the share (0..1) of it that is lost without. Together at most 1.
    prefers: Mapping[str, float] = field(default_factory=dict[str, float])
    #: Groups of alternatives: of each group, one is enough.
    any_of: Sequence[Sequence[str]] = ()
    #: CRITICAL: the application is as bad as this capability.
    criticality: Criticality = Criticality.CRITICAL
    #: How much it weighs among those that are not CRITICAL.
    importance: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.requires, str):
            raise ConfigurationError(f"{self.requires!r} is no list of names. Write [{self.requires!r}].", "requires")
        for name, weight in self.prefers.items():
            if not 0 < weight <= 1:
                problem = f"{weight!r} is no weight. Give the share that is lost without it, above 0 and at most 1."
                raise ConfigurationError(problem, key=f"prefers.{name}")
        if (total := fsum(self.prefers.values())) > 1 + _ROUNDING:
            problem = f"The weights add up to {total:g}, but no more than all can be lost. Lower them to 1 in all."
            raise ConfigurationError(problem, key="prefers")
        for group in self.any_of:
            if isinstance(group, str) or len(group) < 2:  # noqa: PLR2004 - a choice has two
                problem = f"{group!r} is no choice. Write groups of two or more; what has no alternative is required."
                raise ConfigurationError(problem, key="any_of")
        if not 0 < self.importance < inf:
            raise ConfigurationError(f"{self.importance!r} is no weight. Give a number above 0.", key="importance")
        # Read-only and our own, so that the frozen capability can be shared.
        object.__setattr__(self, "requires", tuple(self.requires))
        object.__setattr__(self, "prefers", MappingProxyType(dict(self.prefers)))
        object.__setattr__(self, "any_of", tuple(map(tuple, self.any_of)))
        names = [name for name, _ in self.edges()]
        if twice := next((name for name in names if names.count(name) > 1), None):
            problem = f"{twice!r} is named more than once. Say in one place what it is: required, preferred, a choice."
            raise ConfigurationError(problem)

    def edges(self) -> Iterator[tuple[str, KeyPath]]:
        """What it needs or wants, and the path of the key that says so."""
        for index, name in enumerate(self.requires):
            yield name, ("requires", index)
        for name in self.prefers:
            yield name, ("prefers", name)
        for number, group in enumerate(self.any_of):
            for index, name in enumerate(group):
                yield name, ("any_of", number, index)


class Graph:
    """Services and capabilities, by name, and their edges.

    `services` maps each service to the services that it requires. Raises ConfigurationError with all that is wrong, at
    the paths of its keys: names that are not known, with the nearest that is; a name for two things; a cycle, printed.
    """

    def __init__(self, services: Mapping[str, Sequence[str]], capabilities: Mapping[str, Capability]) -> None:
        self.services: Mapping[str, tuple[str, ...]] = {name: tuple(needs) for name, needs in services.items()}
        self.capabilities: Mapping[str, Capability] = dict(capabilities)
        if errors := [*self._misnamed()] or [*self._cyclic()]:
            raise ConfigurationError.several("The graph of services and capabilities", errors)
        #: All names, each after those that it needs or wants.
        self.order: tuple[str, ...] = tuple(self._sorter().static_order())
        self._ancestors: dict[str, frozenset[str]] = {}
        self._ranks: dict[str, int] = {}
        for name in self.order:
            above = self.inputs(name)
            self._ancestors[name] = frozenset(above).union(*(self._ancestors[parent] for parent in above))
            self._ranks[name] = max((self._ranks[parent] + 1 for parent in above), default=0)

    def inputs(self, name: str) -> tuple[str, ...]:
        """What it needs or wants itself."""
        if name in self.services:
            return self.services[name]
        return tuple(needed for needed, _ in self.capabilities[name].edges())

    def ancestors(self, name: str) -> frozenset[str]:
        """All that it needs or wants, itself or through others."""
        return self._ancestors[name]

    def rank(self, name: str) -> int:
        """0 for what needs nothing, else one more than the highest rank among its inputs."""
        return self._ranks[name]

    def _sorter(self) -> TopologicalSorter[str]:
        return TopologicalSorter({name: self.inputs(name) for name in (*self.services, *self.capabilities)})

    def _misnamed(self) -> Iterator[ConfigurationError]:
        for service, needs in self.services.items():
            for index, name in enumerate(needs):
                if name not in self.services:
                    key = dotted(("services", service, "requires", index))
                    yield ConfigurationError.unknown("service", name, self.services, key=key)
        for capability, given in self.capabilities.items():
            if capability in self.services:
                problem = "A service has this name already. Give the capability another one."
                yield ConfigurationError(problem, key=dotted(("capabilities", capability)))
            for name, path in given.edges():
                if name not in self.services and name not in self.capabilities:
                    key = dotted(("capabilities", capability, *path))
                    known = {*self.services, *self.capabilities} - {capability}
                    yield ConfigurationError.unknown("service or capability", name, known, key=key)

    def _cyclic(self) -> Iterator[ConfigurationError]:
        try:
            self._sorter().prepare()
        except CycleError as error:
            # It comes with each name before the one that needs it; read the other way, each needs the next.
            cycle: list[str] = error.args[1][::-1]
            where = "services" if cycle[0] in self.services else "capabilities"
            problem = f"This is a cycle: {' -> '.join(cycle)}. Take one of these edges away."
            yield ConfigurationError(problem, key=dotted((where, cycle[0])))
