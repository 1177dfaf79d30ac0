"""How far this plugin passes the kit that any plugin is measured by."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from fake_server import FakeServer, fake_server
from switchgear.testing.conformance import Conformance, rejected, served

from switchgear_acme import AcmeSettings

TO_DO = "not filled in yet: connect(), guard(), or the ways below"


class TestConformance(Conformance):
    plugin = "acme"

    #: What is still to pass. One that does pass and is still here fails: take it out.
    deviations: ClassVar = {
        "every_operation_is_guarded": TO_DO,
        "no_way_gets_through_while_open": TO_DO,
        "a_refusal_is_the_clients_own_error": TO_DO,
        "a_guarded_client_is_the_client_it_was": TO_DO,
        "results_and_errors_are_the_clients_own": TO_DO,
        "every_call_settles_once": TO_DO,
        "guarding_twice_counts_once": TO_DO,
        "what_the_server_declines_is_no_failure": TO_DO,
        "a_cancelled_call_gives_its_permit_back": TO_DO,
        "calls_at_once_leave_nothing_behind": TO_DO,
        "a_stream_settles_at_its_end": TO_DO,
        "an_abandoned_stream_gives_its_permit_back": TO_DO,
        "a_broken_stream_is_a_failure": TO_DO,
        "a_fault_opens_the_breaker_and_healing_closes_it": TO_DO,
        "the_probe_is_cheap": TO_DO,
        "the_probe_is_bounded": TO_DO,
        "every_exception_has_a_verdict": TO_DO,
        "metrics_and_names_are_bounded": TO_DO,
        "secrets_stay_secret": TO_DO,
        "settings_and_refusals_can_be_pickled": TO_DO,
        "other_event_loops_are_refused_in_words": TO_DO,
    }

    @asynccontextmanager
    async def server(self) -> AsyncGenerator[FakeServer]:
        with fake_server() as server:
            yield server

    def settings(self, server: FakeServer, port: int) -> AcmeSettings:
        return AcmeSettings(url=f"http://127.0.0.1:{port}", timeout=0.5)

    # FILL IN: a few ways to use the client. The first is what faults are tried with; it returns what the client did.
    @served
    async def get(self, client: Any, key: str) -> Any:
        return await client.get(f"/{key}")

    @rejected
    async def missing(self, client: Any, key: str) -> Any:
        return await client.get(f"/missing/{key}")

    # A client with answers that come piece by piece shows one by @streamed: an asynchronous generator.
