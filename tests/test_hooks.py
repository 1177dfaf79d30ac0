"""What a plugin implements is asked for once, and what it was written for goes on working: docs/spi-policy.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from switchgear import _hookspecs
from switchgear._plugins import Plugins, PluginState
from switchgear.spi import VERSION
from tests.planted import WORKING, Garden

STRATEGIES = """
from dataclasses import dataclass
from switchgear.spi import Strategy, hookimpl

@dataclass
class Fairness(Strategy):
    name = "memory.fairness"
    def __call__(self, next): return next

@hookimpl
def register_strategies():
    return [Fairness]
"""

OLD = """
@hookimpl
def register_gauges():
    return ["asked"]
"""


@pytest.fixture
def garden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Garden:
    return Garden(tmp_path, monkeypatch)


def state(name: str = "memory") -> tuple[PluginState, str | None]:
    [found] = [info for info in Plugins().infos() if info.name == name]
    return found.state, found.error


def test_hook_register_backends(garden: Garden) -> None:
    """Its backends are the plugin's, in their order."""
    garden.plant("memory", WORKING.replace("return [BACKEND]", "return [BACKEND, replace(BACKEND, name='other')]")
                 .replace("import dataclass, field", "import dataclass, field, replace"))  # fmt: skip
    assert [backend.name for backend in Plugins().load("memory")] == ["memory", "other"]


def test_hook_register_strategies(garden: Garden) -> None:
    """Its strategies are the plugin's, also of one that has no backend."""
    garden.plant("memory", STRATEGIES)
    assert [kind.name for kind in Plugins().strategies("memory")] == ["memory.fairness"]


def test_a_hook_is_called_once(garden: Garden) -> None:
    """However often its plugin is asked for."""
    garden.plant("memory", WORKING + "\nasked = []\nbefore = [register_backends]\n"
                 "@hookimpl\ndef register_backends():\n    asked.append(1)\n    assert len(asked) == 1\n"
                 "    return before[0]()\n")  # fmt: skip
    plugins = Plugins()
    assert plugins.load("memory")[0] is plugins.load("memory")[0]
    assert plugins.infos()[0].state is PluginState.ACTIVE


@dataclass
class Spec:
    """The hooks, as another version of switchgear has them."""

    monkeypatch: pytest.MonkeyPatch

    def has(self, hook: Callable[..., Any], **options: Any) -> None:
        marked = _hookspecs.hookspec(**options)(hook)
        self.monkeypatch.setattr(_hookspecs, hook.__name__, marked, raising=False)


@pytest.fixture
def spec(monkeypatch: pytest.MonkeyPatch) -> Spec:
    return Spec(monkeypatch)


def test_a_hook_that_has_an_argument_more_by_now_is_implemented_without(garden: Garden, spec: Spec) -> None:
    """What a minor version adds need not be taken."""

    def register_backends(since: str = "1.1") -> Any: ...

    spec.has(register_backends)
    garden.plant("memory")
    assert state() == (PluginState.ACTIVE, None)


def test_a_deprecated_hook_works_and_warns_its_author(garden: Garden, spec: Spec) -> None:
    """At the line where it is implemented, and no other plugin's."""

    def register_gauges() -> Any: ...

    spec.has(register_gauges, warn_on_impl=DeprecationWarning("register_gauges() goes with 2.0: take Backend.gauges"))
    module = garden.plant("memory", WORKING + OLD)
    with pytest.warns(DeprecationWarning, match=r"goes with 2\.0") as warned:
        assert state() == (PluginState.ACTIVE, None)
    assert {Path(warning.filename).stem for warning in warned} == {module}


def test_a_hook_that_is_gone_is_named(garden: Garden) -> None:
    """A plugin that implements it says which version it is for; one that does not say is BROKEN, in words."""
    garden.plant("memory", WORKING + OLD)
    found, error = state()
    assert found is PluginState.BROKEN
    assert "There is no hook 'register_gauges'." in (error or "")


def test_a_hook_may_be_there_for_other_versions(garden: Garden) -> None:
    """@hookimpl(optionalhook=True) serves a switchgear that has it, and one that has it no longer, or not yet."""
    garden.plant("memory", WORKING + OLD.replace("@hookimpl", "@hookimpl(optionalhook=True)"))
    assert state() == (PluginState.ACTIVE, None)


def test_the_template_names_the_version_that_it_is_for() -> None:
    """A new plugin says this one, so that a later switchgear knows."""
    template = Path(_hookspecs.__file__).parent / "cli/_new_plugin/template"
    modules = list(template.glob("*/src/switchgear_acme/__init__.py"))
    assert len(modules) == 2
    for module in modules:
        assert f'\nSPI_VERSION = "{VERSION}"\n' in module.read_text()
