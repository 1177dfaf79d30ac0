"""What a plugin says of itself is true, complete and fit to be seen."""

from __future__ import annotations

import logging
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from threading import Thread
from typing import Any

import anyio
import pytest  # noqa: TC002 - pytest reads annotations of what it collects

from switchgear._errors import CallNotPermitted, ConfigurationError
from switchgear._verdict import Verdict
from switchgear.testing.conformance._bench import CANARY, Bench, fresh, outcome
from switchgear.testing.conformance._suite import Suite
from switchgear.testing.conformance._surface import called, make_up
from switchgear.testing.conformance._violation import Violation
from switchgear.testing.conformance._ways import ways
from switchgear.testing.toxics import ResetPeer

_SECRETIVE = re.compile(r"password|passwd|secret|token|api_?key|dsn|credential")
#: Shorter ones are words like any other.
_SHORTEST_SECRET = 6


class Declaring(Suite):
    """Checks of the tables and names in a Backend."""

    async def test_every_exception_has_a_verdict(self, bench: Bench) -> None:
        """`classify` knows something of each exception there is in the SDK, and raises for none."""
        unknown = bench.backend.classify(type("Unheard", (Exception,), {})("of"))
        if unknown.name != "FAILURE":
            raise Violation(f"An exception that nobody knows is judged {unknown}.", "It is a FAILURE.")
        for exc in (ConnectionRefusedError(111, "refused"), ConnectionResetError(104, "reset"), *_exceptions(bench)):
            try:
                verdict: object = bench.backend.classify(exc)
            except Exception as error:  # noqa: BLE001 - whatever it raises, it may not
                verdict = error
            if not isinstance(verdict, Verdict):
                raise Violation(
                    f"classify({type(exc).__module__}.{type(exc).__qualname__}) gives {verdict!r} and no Verdict.",
                    "Look at attributes with care: not every instance has them.",
                )

    async def test_metrics_and_names_are_bounded(self, bench: Bench) -> None:
        """Operations are named after their backend, metrics have the labels they declare, and no name or label has
        anything of what callers asked for."""
        for _ in range(2):
            for kind in ("served", "rejected"):
                for way in ways(self, kind).values():
                    await outcome(way(bench.client, fresh()))
        await bench.at_rest("all ways")
        self._metrics_are_declared(bench)
        operations = {name for name, _ in bench.ledger.verdicts}
        for name in operations:
            if not name.startswith(f"{bench.backend.name}."):
                raise Violation(f"An operation is called {name!r}.", f'Begin it with "{bench.backend.name}.".')
        counted = [*bench.service.counts(), *bench.service.histograms()]
        seen = [str(counted), *operations, *bench.service.group.branches]
        if leaks := [text for text in seen if CANARY in text]:
            raise Violation(
                f"What callers asked for is part of a name: {leaks[0]!r}.",
                "Domains, operations and labels have few and known values: never a key, a URL or a prompt.",
            )

    @staticmethod
    def _metrics_are_declared(bench: Bench) -> None:
        declared = {metric.name: metric for metric in bench.backend.metrics}
        for name, labels in (*bench.service.counts(), *bench.service.histograms()):
            if tuple(label for label, _ in labels) != tuple(sorted(declared[name].labels)):
                raise Violation(
                    f"The metric {name!r} is counted with {dict(labels)}.", "Give it the labels it declares."
                )
        for name in bench.backend.gauges(bench.client) if bench.backend.gauges else ():
            if name not in declared or declared[name].kind != "gauge":
                raise Violation(f"`gauges` reads {name!r}, which is not declared as a gauge.", "Add it to `metrics`.")

    async def test_secrets_stay_secret(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        """Neither settings nor what is logged, refused or explained shows a secret, on good days and bad ones."""
        hidden = [field.name for field in fields(bench.settings) if not field.repr]
        for field in fields(bench.settings):
            if _SECRETIVE.search(field.name) and field.repr:
                raise Violation(
                    f"The setting {field.name!r} is shown in the settings' repr.", "Give it field(repr=False)."
                )
        values = [getattr(bench.settings, name) for name in hidden]
        secrets = [*self.secrets, *(it for it in values if isinstance(it, str) and len(it) >= _SHORTEST_SECRET)]
        shown = [repr(bench.settings)]
        calls = [way for kind in ("served", "rejected") for way in ways(self, kind).values()]
        with caplog.at_level(logging.DEBUG):
            for way in calls:
                await outcome(way(bench.client, fresh()))
            bench.proxy.add(ResetPeer())
            for way in calls * 3:
                error = (await outcome(way(bench.client, fresh()))).error
                shown += [f"{error!r} {error}"] if isinstance(error, CallNotPermitted) else []
        package = self.module().partition(".")[0]
        logged = [record for record in caplog.records if record.name.partition(".")[0] in {"switchgear", package}]
        shown += [record.getMessage() for record in logged]
        shown += [f"{explained!r} {explained}" for explained in _explained(bench)]
        for text in shown:
            if leak := next((secret for secret in secrets if secret in text), None):
                shown_so = text.replace(leak, "***")
                raise Violation(f"This shows a secret: {shown_so!r}.", "None may get into a log, an error or a page.")

    def test_importing_it_loads_no_sdk(self) -> None:
        """To list plugins, and to ask one for its backends, costs no import of an SDK."""
        code = (
            # From where this run has it, too: it need not be installed.
            f"import sys; sys.path += {sys.path!r}\n"
            "import switchgear.spi; before = set(sys.modules)\n"
            f"import {self.module()} as plugin\n"
            "getattr(plugin, 'register_backends', list)(), getattr(plugin, 'register_strategies', list)()\n"
            "print(*{name.partition('.')[0] for name in sys.modules.keys() - before})"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        if ran.returncode:
            raise Violation(f"{self.module()} cannot be imported by itself: {ran.stderr.strip()[-300:]}.", "Mend that.")
        sdk = set(self.sdk_modules()) & set(ran.stdout.split())
        if sdk:
            raise Violation(
                f"To import {self.module()} imports {', '.join(sorted(sdk))}.",
                "Import the SDK inside the functions that need it, and for annotations under TYPE_CHECKING.",
            )

    async def test_settings_and_refusals_can_be_pickled(self, bench: Bench) -> None:
        """They cross processes: settings to workers, refusals back from them. Clients do not, nor do they survive a
        fork: each process connects its own."""
        way = next(iter(ways(self, "served").values()))
        bench.force_open()
        refused = (await outcome(way(bench.client, fresh()))).error
        for thing in (bench.settings, refused):
            try:
                again: Any = pickle.loads(pickle.dumps(thing))  # noqa: S301 - just pickled
            except Exception as error:  # noqa: BLE001 - it may raise anything
                again = error
            if type(again) is not type(thing) or str(again) != str(thing):
                raise Violation(
                    f"An object of {type(thing).__qualname__} that was pickled comes back as {again!r}.",
                    "A class of refusals keeps the arguments of CallNotPermitted, and lives at the top of its module.",
                )

    def test_other_event_loops_are_refused_in_words(self, served_by: Any) -> None:
        """Where the client does not run, `connect` says so: a ConfigurationError."""
        for loop in {"asyncio", "trio"} - set(self.event_loops):
            raised = _connecting(self, self.settings(served_by, served_by.port), loop)
            if not isinstance(raised, ConfigurationError):
                raise Violation(
                    f"On {loop}, which the suite does not name among its event loops, connect() ended with {raised!r}.",
                    "Raise a ConfigurationError that says where the client runs.",
                )


def _exceptions(bench: Bench) -> Iterator[Exception]:
    """One instance of each of the SDK's exceptions, made of next to nothing."""
    waiting: list[type[Exception]] = [Exception]
    for kind in waiting:
        waiting += [sub for sub in kind.__subclasses__() if sub not in waiting]
        ours = issubclass(kind, CallNotPermitted | Warning) or kind.__module__.partition(".")[0] not in bench.roots
        if not ours and not issubclass(kind, BaseExceptionGroup):
            try:
                yield called(kind, lambda parameter: make_up(parameter, {}))
            except Exception:  # noqa: BLE001 - it is not to be made of nothing
                yield kind.__new__(kind)


def _explained(bench: Bench) -> Iterator[object]:
    for breaker in (bench.service.group.main, *bench.service.group.branches.values()):
        yield breaker.explain()
        yield breaker.snapshot().causes


def _connecting(suite: Suite, settings: Any, loop: str) -> BaseException | None:
    """What connecting raises on that event loop."""
    raised: list[BaseException | None] = []

    async def connect() -> None:
        async with suite.connect(settings):
            pass

    def run() -> None:
        try:
            anyio.run(connect, backend=loop)
        except BaseException as exc:  # noqa: BLE001 - it is looked at by the one who waits
            raised.append(exc)
        else:
            raised.append(None)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    return raised[0]
