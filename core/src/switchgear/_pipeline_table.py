"""The pipeline of a service as a table of TOML.

    [services.cache.pipeline]                       # there at all, it brings the default strategies
    timeout = 0.5                                   # a bare value is the first of the strategy's options
    retry = { attempts = 2, max = 1.0 }             # laid over the default's, key by key
    deadline = false                                # a default that is not wanted
    bulkhead = { limit = 50, queue = 100 }          # one that there is not by default
    "acme.fairness" = { tenants = 10 }              # one of the plugin "acme"
    order = ["retry", "breaker", "timeout", ...]    # outermost first; only where it is not to be the usual one

What is read is a template: the strategies that run are copies of it, one set for each gear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, fields
from typing import TYPE_CHECKING, Any

from cattrs.gen import make_dict_structure_fn, override

from switchgear._breaker_config import BreakerConfig
from switchgear._converter import make_converter
from switchgear._default_pipeline import default_strategies, in_order
from switchgear._environment import value_of
from switchgear._errors import ConfigurationError, SwitchgearError
from switchgear._keypath import KeyPath, Table, dotted, is_table
from switchgear._pipeline import CODE, Pipeline, Strategy
from switchgear._strategies.adaptive import Adaptive
from switchgear._strategies.breaker import GuardBreaker
from switchgear._strategies.bulkhead import Bulkhead
from switchgear._strategies.chaos import Chaos
from switchgear._strategies.deadline import Deadline
from switchgear._strategies.fallback import Fallback
from switchgear._strategies.hedge import Hedge
from switchgear._strategies.ratelimit import RateLimit
from switchgear._strategies.retry import Retry
from switchgear._strategies.throttle import Throttle
from switchgear._strategies.timeout import Timeout
from switchgear._structure import read

if TYPE_CHECKING:
    from cattrs import Converter

Find = Callable[[str], Sequence[type[Strategy]]]

_OURS: dict[str, type[Strategy]] = {
    kind.name: kind
    for kind in (Adaptive, Bulkhead, Chaos, Deadline, Fallback, Hedge, RateLimit, Retry, Throttle, Timeout)
}


def _is_strategy(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Strategy)


def _options(kind: Any) -> list[Field[Any]]:
    """The fields that a configuration has keys for, in their order."""
    return [each for each in fields(kind) if each.init and not each.metadata.keys() & CODE.keys()]


_converter = make_converter(off=True)


@_converter.register_structure_hook_factory(_is_strategy)
def _strategy(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    options = {each.name for each in _options(kind)}
    for_code = {each.name: override(omit=True) for each in fields(kind) if each.name not in options}
    structure = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True, **for_code)  # type: ignore[arg-type]
    return lambda given, _: structure(given, kind)


class PipelineTable:
    """Reads the pipeline of one service. Whatever is wrong is added to `errors`; then there is no result.

    `find` gives the strategies of a plugin by its name, and raises SwitchgearError.
    """

    def __init__(self, path: KeyPath, find: Find, errors: list[ConfigurationError]) -> None:
        self._path = path
        self._find = find
        self._errors = errors

    def read(self, given: Table, breaker: BreakerConfig) -> tuple[Strategy, ...] | None:
        """The strategies, outermost first."""
        already = len(self._errors)
        strategies = {each.name: each for each in default_strategies(breaker)}
        for name, wanted in given.items():
            if name == "order" or (kind := self._kind(name)) is None:
                continue
            if value_of(wanted) is False:
                strategies.pop(name, None)
            elif (strategy := self._strategy(kind, wanted, strategies.get(name))) is not None:
                strategies[name] = strategy
        order = self._order(given["order"], strategies) if "order" in given else in_order(strategies.values())
        if len(self._errors) > already:
            return None
        try:
            return Pipeline(*order, name=dotted(self._path)).strategies
        except ConfigurationError as error:  # they do not fit each other
            self._errors.append(ConfigurationError(error.problem, dotted(self._path)))
            return None

    def _strategy(self, kind: type[Strategy], given: Any, default: Strategy | None) -> Strategy | None:
        options, value = _options(kind), value_of(given)
        if is_table(value) or value is True:
            table = value if is_table(value) else {}
        elif options:
            table = {options[0].name: given}
        else:
            self._errors.append(
                ConfigurationError("It has no options. Write true or false.", dotted((*self._path, kind.name)))
            )
            return None
        if default is not None:
            table = _laid_over({each.name: getattr(default, each.name) for each in options}, table)
        return read(table, lambda given: _converter.structure(given, kind), (*self._path, kind.name), self._errors)

    def _kind(self, name: str) -> type[Strategy] | None:
        try:
            return self._ours(name) or self._of_a_plugin(name)
        except ConfigurationError as error:
            problem = error.problem
        except SwitchgearError as error:
            problem = str(error)
        self._errors.append(ConfigurationError(problem, dotted((*self._path, name))))
        return None

    def _ours(self, name: str) -> type[Strategy] | None:
        if name == GuardBreaker.name:
            raise ConfigurationError("A service always has its breaker, and that has a table of its own: breaker.")
        return _OURS.get(name)

    def _of_a_plugin(self, name: str) -> type[Strategy]:
        plugin = name.partition(".")[0]
        try:
            kinds = {kind.name: kind for kind in self._find(plugin)}
        except ConfigurationError:
            raise ConfigurationError.unknown("strategy", name, {*_OURS, "order"}) from None
        if name not in kinds:
            raise ConfigurationError.unknown(f"strategy in the plugin {plugin!r}:", name, kinds)
        return kinds[name]

    def _order(self, given: Any, strategies: Mapping[str, Strategy]) -> list[Strategy]:
        key = (*self._path, "order")
        order = read({"order": given}, lambda table: _converter.structure(table, _Order), self._path, self._errors)
        if order is None:
            return []
        if sorted(order.order) != sorted(strategies):
            problem = f"The order names each strategy once, outermost first. There are: {', '.join(strategies)}."
            self._errors.append(ConfigurationError(problem, dotted(key)))
            return []
        return [strategies[name] for name in order.order]


@dataclass(frozen=True, kw_only=True)
class _Order:
    order: list[str]


def _laid_over(base: Table, given: Table) -> Table:
    laid = base | given
    for name, below in base.items():
        above = value_of(given.get(name))
        if isinstance(below, Mapping) and is_table(above):
            laid[name] = {**below, **above}
    return laid
