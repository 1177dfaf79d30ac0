"""What the strategies draw is valid by construction, and what a script says is what a proxy suffers."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from switchgear import BreakerConfig, CountWindow, Switchgear, TimeWindow
from switchgear._breaker_table import breaker_table, read_breaker
from switchgear.testing import FaultProxy, Toxic
from switchgear.testing.model import BreakerModel
from switchgear.testing.scripts import ScriptedCall, ScriptedFault, play
from switchgear.testing.strategies import breaker_configs, call_sequences, fault_scripts, gear_tables, gear_tomls
from tests.planted import Garden

#: An example is enough, it need not be the smallest.
ANY = settings(phases=[Phase.generate])

PLUGINS: dict[str, dict[str, Any]] = {"memory": {"url": "memory:1", "hosts": ["a", 'b"c']}, "other": {}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("garden")
        garden = Garden(folder, monkeypatch)
        garden.plant("memory")
        garden.plant("other")
        yield folder


@given(breaker_configs())
def test_a_drawn_breaker_is_valid_and_survives_toml(config: BreakerConfig) -> None:
    """It can be written as a table and read back, equal."""
    errors: list[Any] = []
    assert read_breaker(breaker_table(config), BreakerConfig(), (), errors) == config
    assert not errors


@given(breaker_configs(consecutive_failures=st.just(2), window=st.just(CountWindow(3))))
def test_fields_can_be_fixed_and_the_rest_follows(config: BreakerConfig) -> None:
    """The minimum of calls keeps to the given window."""
    assert (config.consecutive_failures, config.window) == (2, CountWindow(3))
    assert config.minimum_number_of_calls <= 3


@pytest.mark.parametrize("kind", [CountWindow, TimeWindow])
def test_both_kinds_of_windows_are_drawn(kind: type) -> None:
    """None of the alternatives is unreachable."""
    assert isinstance(
        find(breaker_configs(), lambda config: isinstance(config.window, kind), settings=ANY).window, kind
    )


@settings(max_examples=40)
@given(text=gear_tomls(PLUGINS))
def test_a_drawn_gear_is_accepted_as_a_file(folder: Path, text: str) -> None:
    """Services, what they require, breakers, pipelines, capabilities: nothing in it is refused, nothing is lost."""
    path = folder / "switchgear.toml"
    path.write_text(text)
    gear = Switchgear.from_toml(path)
    tables = tomllib.loads(text)
    assert set(gear.degradation.graph.services) == set(tables["services"])
    assert set(gear.degradation.graph.capabilities) == set(tables.get("capabilities", ()))


@pytest.mark.parametrize("feature", ["requires", "pipeline"])
def test_gears_have_what_gears_can_have(feature: str) -> None:
    """Services that require others, and pipelines, are among what is drawn."""
    tables = gear_tables(PLUGINS)
    find(tables, lambda drawn: any(feature in service for service in drawn["services"].values()), settings=ANY)


@given(breaker_configs(), call_sequences(operations=["get"], domains=["a", "b"]))
def test_a_sequence_can_be_played_to_the_model(config: BreakerConfig, calls: list[ScriptedCall]) -> None:
    """Each call that the model admits is settled, each other one is counted as refused."""
    model = BreakerModel(config, now=0.0)
    now, admitted = 0.0, []
    for call in calls:
        now += call.pause
        model.time(now)
        if (held := model.ask()) is not None:
            admitted.append((now + call.latency, held, call.outcome))
    for at, held, outcome in sorted(admitted, key=lambda entry: entry[0]):
        now = max(now, at)
        model.time(now)
        model.settle(held, outcome)
    assert len(admitted) + sum(model.refused.values()) == len(calls)
    assert sum(model.verdicts.values()) + model.late == len(admitted)
    assert all(before[1] == after[0] for before, after in pairwise(e for e in model.log if len(e) == 3))


@given(fault_scripts(longest=2.0, max_size=3))
def test_a_script_keeps_to_its_bounds(script: list[ScriptedFault]) -> None:
    """No phase is longer than it may be, and each has a fault that a proxy knows."""
    assert len(script) <= 3
    for phase in script:
        assert 0 <= phase.pause <= 2
        assert 0 <= phase.seconds <= 2
        assert isinstance(phase.fault, Toxic) or phase.fault in {"down", "blackhole"}


@pytest.mark.anyio
async def test_a_proxy_suffers_what_is_played_and_is_well_afterwards() -> None:
    """Refused while it is down, also when the script is cancelled in the midst of that; served again at its end."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.send(b"hello")

    async def served() -> bool:
        try:
            async with await anyio.connect_tcp("127.0.0.1", proxy.port) as stream:
                return await stream.receive() == b"hello"
        except (OSError, anyio.EndOfStream, anyio.BrokenResourceError):
            return False

    down = ScriptedFault(pause=0.0, seconds=3600.0, fault="down")
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        FaultProxy("127.0.0.1", listener.extra(SocketAttribute.local_port)) as proxy,  # noqa: S610
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        assert await served()
        with anyio.fail_after(20):
            async with anyio.create_task_group() as playing:
                playing.start_soon(play, [down], proxy)
                while await served():
                    await anyio.sleep(0.01)
                playing.cancel_scope.cancel()
            assert await served()
            await play([ScriptedFault(pause=0.0, seconds=0.0, fault="blackhole")], proxy)
            assert await served()
        tasks.cancel_scope.cancel()


def test_without_hypothesis_the_error_says_what_to_install() -> None:
    """The strategies need it; the message is the command."""
    code = "import sys; sys.modules['hypothesis'] = None; import switchgear.testing.strategies"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingDependency" in shown.stderr
    assert "switchgear[testing]" in shown.stderr
