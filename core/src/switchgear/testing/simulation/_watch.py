"""What must hold whenever a breaker or a level moves, and between: the observer of a simulated gear."""

from __future__ import annotations

from math import inf

import anyio

from switchgear._breaker import TRANSITIONS
from switchgear._circuit import CircuitBreaker
from switchgear._degradation import Assessment
from switchgear._events import Reason, Refused, Settled, Transition
from switchgear._gear import Switchgear
from switchgear._level import Level, LevelChange, LevelReason
from switchgear._state import State
from switchgear.testing.simulation._ledger import Break, breakers_of
from switchgear.testing.simulation._trace import Trace

_ROUNDING = 1e-6

#: Why a breaker opens for as long as its own configuration says.
_BY_RULE = {
    Reason.FAILURE_RATE, Reason.SLOW_CALL_RATE, Reason.CONSECUTIVE_FAILURES, Reason.RELAPSE, Reason.PROBES_FAILED,
    Reason.PROBES_OVERDUE, Reason.MAJORITY,
}  # fmt: skip


class Watch:
    """Hears of every move, and looks about in between."""

    def __init__(self, gear: Switchgear, trace: Trace, broken: Break) -> None:
        self._gear = gear
        self._trace = trace
        self._broken = broken
        self._states: dict[CircuitBreaker, tuple[State, int]] = {}
        self._until: dict[CircuitBreaker, float] = {}  # the earliest end of an open interval
        self._moved: dict[str, float] = {}  # when the level of a capability last changed by itself
        self.transitions = 0

    # -- breakers ------------------------------------------------------------------------------------------------

    def on_transition(self, event: Transition) -> None:
        """A breaker has moved."""
        name = f"{event.breaker}[{event.domain}]"
        self._trace.add("moves", name, event.from_state, event.to_state, event.reason, event.detail)
        self.transitions += 1
        allowed = TRANSITIONS[event.from_state].get(event.reason)
        if event.reason is not Reason.OPERATOR and allowed is not event.to_state:
            self._broken("6: legal edges only", event)
        group = self._gear.breaker(event.breaker)
        breaker = group.branch(event.domain) if event.domain else group.main
        before, generation = self._states.get(breaker, (State.CLOSED, -1))
        if event.from_state is not before or event.generation <= generation:
            self._broken("15: moves are told in order", f"{event}, after {before} of {generation}")
        self._states[breaker] = event.to_state, event.generation
        if event.from_state is State.OPEN and event.reason is Reason.WAIT_ELAPSED:
            if anyio.current_time() < self._until.get(breaker, -inf) - _ROUNDING:
                self._broken("9: an open interval is never cut short", f"{event}, before {self._until[breaker]}")
        elif event.to_state is State.OPEN and (seen := breaker.snapshot()).generation == event.generation:
            left = seen.retry_after
            self._until[breaker] = inf if left is None else event.at + left
            wait = breaker.config.backoff
            most = wait.max * (1 + wait.jitter)
            if event.reason in _BY_RULE and not (left is not None and wait.initial <= left + _ROUNDING <= most + 1):
                self._broken("10: the open interval is bounded", f"{event}: {left}")

    def on_limited(self, event: object) -> None:
        """A strategy has refused."""
        self._trace.add("limits", getattr(event, "service", ""), getattr(event, "strategy", ""))

    # -- levels --------------------------------------------------------------------------------------------------

    def on_level_changed(self, event: LevelChange) -> None:
        """A capability is offered more, or less."""
        self._trace.add("level", event.capability, event.from_level, event.to_level, event.reason)
        if event.reason is LevelReason.IMPROVED:
            services = self._gear.degradation.graph.ancestors(event.capability) & self._gear.services.keys()
            waits = [self._gear.breaker(name).config.backoff.initial for name in services]
            held = event.at - self._moved.get(event.capability, -inf)
            if event.to_level != event.from_level + 1 or held < max(10.0, 2 * max(waits, default=0.0)) - _ROUNDING:
                self._broken("37: one level at a time, each held", f"{event}: {held} s after the last")
        if event.reason is LevelReason.WORSENED and event.to_level >= event.from_level:
            self._broken("36: protection is never delayed", event)
        if event.reason in {LevelReason.IMPROVED, LevelReason.WORSENED}:
            self._moved[event.capability] = event.at

    # -- between -------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """All that can be seen at any moment."""
        for service in self._gear.services.values():
            for breaker in breakers_of(service):
                seen = breaker.snapshot()
                if not 0 < seen.share <= 1 or not 0 <= seen.failure_rate <= 1 or not 0 <= seen.slow_call_rate <= 1:
                    self._broken("54: shares and rates keep their bounds", seen)
        found = self._gear.degradation.assessment()
        for name, report in (*found.services.items(), *found.capabilities.items(), ("app", found.app)):
            if not 0 <= report.score <= 100 or not 0 <= report.confidence <= 1:  # noqa: PLR2004 - of 100
                self._broken("27: health keeps its bounds", f"{name}: {report}")
        for name in found.levels:
            self._check_level(name, found)
        graph = self._gear.degradation.graph
        for root in found.roots:
            if any(found.services[one].impaired for one in graph.ancestors(root) if one in found.services):
                self._broken("39: roots have no impaired parent", f"{root}: {found.inhibited_by}")

    def _check_level(self, name: str, found: Assessment) -> None:
        level, report, override = found.levels[name], found.capabilities[name], found.overrides.get(name)
        if override is not None and level is not override.level:
            self._broken("43: an override wins", f"{name}: {level}, and not {override}")
        if override is None and level > Level.of(report.score):
            self._broken("36: protection is never delayed", f"{name}: {level} at {report}")
        requires = self._gear.degradation.graph.capabilities[name].requires
        needed = [found.services.get(one) or found.capabilities[one] for one in requires]
        if any(report.score > one.score + _ROUNDING for one in needed):
            self._broken("34: no better than what it requires", report)

    def is_well(self) -> bool:
        """Whether everything is as if nothing had ever happened."""
        breakers = [breaker for service in self._gear.services.values() for breaker in breakers_of(service)]
        snapshots = [breaker.snapshot() for breaker in breakers]
        found = self._gear.degradation.assessment()
        return (
            all(one.state is State.CLOSED and one.share >= 1 for one in snapshots)
            and all(level is Level.FULL for level in found.levels.values())
            and not found.suspects
        )


class Listener:
    """Wants to hear of every call and refusal, so that none goes by unseen."""

    def __init__(self, trace: Trace, broken: Break) -> None:
        self._trace = trace
        self._broken = broken
        self.settled = 0

    def on_settled(self, event: Settled) -> None:
        """A call is over."""
        self.settled += 1
        self._trace.add("settles", f"{event.breaker}[{event.domain}]", event.verdict.name, f"{event.duration:.4f}")
        if event.duration < -_ROUNDING:
            self._broken("time goes forward", event)

    def on_refused(self, event: Refused) -> None:
        """A call was refused."""
        if event.state in {State.DISABLED, State.METRICS_ONLY}:
            self._broken("only what is not closed refuses", event)


class Raising:
    """An observer that is broken: it must change nothing."""

    def on_transition(self, _event: Transition) -> None:
        """Fails."""
        raise RuntimeError("an observer that is broken")

    on_settled = on_refused = on_level_changed = on_transition
