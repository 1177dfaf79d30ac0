"""Discovery imports nothing, and whatever a plugin does when it is loaded concerns it alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from switchgear import ConfigurationError, MissingDependency, PluginError
from switchgear._plugins import PluginInfo, Plugins, PluginState
from switchgear._spec import Backend
from tests.planted import WORKING, Garden, imported


@pytest.fixture
def garden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Garden:
    return Garden(tmp_path, monkeypatch)


def info(name: str, plugins: Plugins | None = None) -> PluginInfo:
    [found] = [info for info in (plugins or Plugins()).infos() if info.name == name]
    return found


def states(plugins: Plugins | None = None) -> dict[str, PluginState]:
    return {info.name: info.state for info in (plugins or Plugins()).infos()}


# -- loading ---------------------------------------------------------------------------------------------------------


def test_reading_the_list_imports_nothing(garden: Garden) -> None:
    """A plugin that nobody names costs an application no import."""
    module = garden.plant("memory")
    Plugins()
    assert not imported(module)


def test_only_the_named_plugin_is_imported(garden: Garden) -> None:
    """load() imports one plugin and leaves its neighbour alone."""
    module, other = garden.plant("memory"), garden.plant("other")
    [backend] = Plugins().load("memory")
    assert isinstance(backend, Backend)
    assert imported(module)
    assert not imported(other)


def test_a_loaded_plugin_is_active_and_described(garden: Garden) -> None:
    """The info has everything that the list of plugins shows."""
    garden.plant("memory", dist="memory-for-switchgear", version="3.1")
    assert info("memory") == PluginInfo(
        name="memory",
        dist="memory-for-switchgear",
        version="3.1",
        state=PluginState.ACTIVE,
        spi="1.0",
        operations=("memory.get", "memory.set"),
    )


def test_a_plugin_is_loaded_once(garden: Garden) -> None:
    """All services of one plugin share its backend, which the gear compares by identity."""
    garden.plant("memory")
    plugins = Plugins()
    assert plugins.load("memory")[0] is plugins.load("memory")[0]


def test_an_entry_point_may_name_an_object(garden: Garden) -> None:
    """`module:object` works too, for a plugin that is a part of a larger module."""
    module = garden.plant("memory", WORKING + "\nimport sys\nplugin = sys.modules[__name__]\n")
    [entry_points] = garden.folder.glob("*.dist-info/entry_points.txt")
    entry_points.write_text(f"[switchgear]\nmemory = {module}:plugin\n")
    assert info("memory").state is PluginState.ACTIVE


# -- isolation -------------------------------------------------------------------------------------------------------

BREAKING = {
    "an exception": ("raise RuntimeError('out of luck')", "RuntimeError: out of luck"),
    "SystemExit": ("raise SystemExit(3)", "SystemExit: 3"),
    "a BaseException": ("class Rude(BaseException): pass\nraise Rude('no')", "Rude: no"),
    "a missing module": ("import no_such_module_anywhere", "ModuleNotFoundError: No module named"),
    "a missing name": ("from switchgear.spi import NoSuchName", "ImportError: cannot import name 'NoSuchName'"),
    "a syntax error": ("def (:", "SyntaxError: "),
    "an unprintable exception": ("class Mute(Exception):\n  __str__ = None\nraise Mute", "Mute"),
    "endless recursion": ("def f(): f()\nf()", "RecursionError: "),
}


@pytest.mark.parametrize(("code", "error"), BREAKING.values(), ids=BREAKING)
def test_a_plugin_that_fails_to_import_is_broken_and_the_others_work(garden: Garden, code: str, error: str) -> None:
    """Whatever an import raises, even SystemExit, is kept as text, and stops nobody else."""
    garden.plant("broken", code)
    garden.plant("memory")
    plugins = Plugins()
    broken = info("broken", plugins)
    assert broken.state is PluginState.BROKEN
    assert broken.error is not None
    assert broken.error.startswith(error)
    assert "dist-of-broken" in broken.error
    assert broken.traceback.startswith("Traceback (most recent call last):")
    assert info("memory", plugins).state is PluginState.ACTIVE


def test_a_broken_plugin_leaves_the_four_of_ours_active(garden: Garden) -> None:
    """With a broken fifth one installed, redis, s3, openai and db work as before."""
    garden.plant("broken", "raise SystemExit")
    ours = dict.fromkeys(("db", "openai", "redis", "s3"), PluginState.ACTIVE)
    assert states() == {**ours, "broken": PluginState.BROKEN}


def test_an_interrupt_is_not_swallowed(garden: Garden) -> None:
    """Ctrl-C during a slow import stops the application and not the plugin."""
    garden.plant("slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Plugins().load("slow")


def test_loading_a_broken_plugin_says_why(garden: Garden) -> None:
    """The error has name and state as data, and the reason in its text."""
    garden.plant("broken", "raise RuntimeError('out of luck')")
    with pytest.raises(PluginError, match=r"'broken' is BROKEN: RuntimeError: out of luck") as raised:
        Plugins().load("broken")
    assert (raised.value.plugin, raised.value.state) == ("broken", "BROKEN")


def test_secrets_in_an_import_error_are_not_kept(garden: Garden) -> None:
    """What a failing import says of its credentials reaches neither the error nor the traceback."""
    garden.plant("broken", "url = 'amqp://me:' + 'hun' + 'ter2@host'\nraise RuntimeError(f'cannot reach {url}')")
    broken = info("broken")
    assert "cannot reach amqp://***@host" in (broken.error or "")
    assert "hunter2" not in repr(broken) + broken.traceback


def test_a_damaged_distribution_hides_no_plugin(garden: Garden, caplog: pytest.LogCaptureFixture) -> None:
    """Metadata that cannot be parsed are passed over with a warning; importlib's own listing would fail as a whole."""
    garden.plant("memory")
    damaged = garden.folder / "damaged-1.0.dist-info"
    damaged.mkdir()
    (damaged / "entry_points.txt").write_text("[switchgear]\nnot an entry point\n")
    assert info("memory").state is PluginState.ACTIVE
    assert "damaged" in caplog.text


def test_loading_our_plugins_loads_no_sdk() -> None:
    """Finding, importing and checking all plugins imports none of the clients they guard."""
    code = "from switchgear._plugins import Plugins; Plugins().infos(); import sys; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"switchgear_redis", "switchgear_s3", "switchgear_openai", "switchgear_db"} <= set(shown)
    assert not {"redis", "aioboto3", "botocore", "openai", "httpx", "sqlalchemy", "cattrs", "click"} & set(shown)


# -- names -----------------------------------------------------------------------------------------------------------


def test_an_unknown_plugin_is_answered_with_the_nearest(garden: Garden) -> None:
    """A slip of the finger is pointed out."""
    garden.plant("memory")
    with pytest.raises(ConfigurationError, match=r"no plugin 'memroy'\. Did you mean 'memory'\?"):
        Plugins().load("memroy")


def test_one_of_ours_that_is_missing_is_answered_with_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A right name without its package is told apart from a wrong name."""
    monkeypatch.setattr("switchgear._plugins.distributions", list)
    with pytest.raises(MissingDependency, match=r'plugin \'redis\' is not installed.*pip install "switchgear-redis"'):
        Plugins().load("redis")
    with pytest.raises(ConfigurationError, match="Did you mean 'redis'"):
        Plugins().load("reddis")


# -- BLOCKED ---------------------------------------------------------------------------------------------------------


def test_what_is_not_on_the_allow_list_is_blocked_and_not_imported(garden: Garden) -> None:
    """The allow-list is for those who do not trust all that is installed, so blocked code never runs."""
    module, other = garden.plant("memory"), garden.plant("other")
    plugins = Plugins(environ={"SWITCHGEAR_PLUGINS": " memory ,redis"})
    found = states(plugins)
    assert (found["memory"], found["other"]) == (PluginState.ACTIVE, PluginState.BLOCKED)
    assert imported(module)
    assert not imported(other)
    with pytest.raises(PluginError, match=r"'other' is BLOCKED: .*SWITCHGEAR_PLUGINS"):
        plugins.load("other")


def test_an_empty_allow_list_blocks_everything(garden: Garden) -> None:
    """Set to nothing, the list has nothing on it; only an unset one means all."""
    garden.plant("memory")
    assert set(states(Plugins(environ={"SWITCHGEAR_PLUGINS": ""})).values()) == {PluginState.BLOCKED}


def test_an_unknown_name_on_the_allow_list_is_an_error(garden: Garden) -> None:
    """A misspelt name must not silently block the plugin that was meant."""
    garden.plant("memory")
    with pytest.raises(ConfigurationError, match=r"SWITCHGEAR_PLUGINS: .*'memori'\. Did you mean 'memory'\?"):
        Plugins(environ={"SWITCHGEAR_PLUGINS": "redis,memori"})


# -- INCOMPATIBLE ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.9", "2.0"])
def test_another_major_version_of_the_spi_is_incompatible(garden: Garden, version: str) -> None:
    """A plugin for an older or a newer SPI is not asked for anything, and the error says what to upgrade."""
    garden.plant("memory", f'SPI_VERSION = "{version}"\n' + "raise_if_asked = 1\n")
    found = info("memory")
    assert (found.state, found.spi) == (PluginState.INCOMPATIBLE, version)
    assert f"version {version} of the SPI, and this switchgear has 1.0" in (found.error or "")
    assert "pip install --upgrade switchgear dist-of-memory" in (found.error or "")


@pytest.mark.parametrize("version", ["1.0", "1.7"])
def test_another_minor_version_is_compatible(garden: Garden, version: str) -> None:
    """Minor versions only add; a plugin that really needs more than there is fails at import, and says so."""
    garden.plant("memory", WORKING + f'\nSPI_VERSION = "{version}"\n')
    found = info("memory")
    assert (found.state, found.spi) == (PluginState.ACTIVE, version)


@pytest.mark.parametrize("version", ["2", "'2'", "'two'", "None"])
def test_a_version_that_is_none_is_the_plugins_mistake(garden: Garden, version: str) -> None:
    """It is BROKEN rather than taken for compatible."""
    garden.plant("memory", WORKING + f"\nSPI_VERSION = {version}\n")
    found = info("memory")
    assert found.state is PluginState.BROKEN
    assert 'SPI_VERSION = "1.0"' in (found.error or "")


# -- CONFLICT --------------------------------------------------------------------------------------------------------


def test_two_distributions_with_one_name_are_both_refused(garden: Garden) -> None:
    """Nobody is chosen by the order of sys.path, and neither is imported."""
    modules = [garden.plant("memory", dist="official"), garden.plant("memory", dist="evil")]
    plugins = Plugins()
    found = [info for info in plugins.infos() if info.name == "memory"]
    assert {(info.dist, info.state) for info in found} == {
        ("official", PluginState.CONFLICT),
        ("evil", PluginState.CONFLICT),
    }
    assert not any(map(imported, modules))
    with pytest.raises(PluginError, match=r"official and evil|evil and official") as raised:
        plugins.load("memory")
    assert "[plugins] memory = " in raised.value.problem


@pytest.mark.parametrize("chosen", ["the-official-one", "The_Official.One"])
def test_the_configuration_decides_a_conflict(garden: Garden, chosen: str) -> None:
    """The chosen distribution's plugin is the only one left; names compare as pip compares them."""
    module, evil = garden.plant("memory", dist="the-official-one"), garden.plant("memory", dist="evil")
    plugins = Plugins(chosen={"memory": chosen})
    plugins.load("memory")
    assert info("memory", plugins).dist == "the-official-one"
    assert imported(module)
    assert not imported(evil)


def test_a_choice_that_fits_nothing_is_an_error(garden: Garden) -> None:
    """Choosing a distribution also pins it: another one that takes the name is not accepted in its stead."""
    garden.plant("memory", dist="official")
    with pytest.raises(ConfigurationError, match=r"plugins\.memory: .*'offical'\. Did you mean 'official'\?"):
        Plugins(chosen={"memory": "offical"})
    with pytest.raises(ConfigurationError, match=r"plugins\.memroy: .*Did you mean 'memory'\?"):
        Plugins(chosen={"memroy": "official"})


def test_a_distribution_found_twice_is_no_conflict(
    garden: Garden, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editable install in front of an installed one is the same plugin; what sys.path finds first is imported."""
    garden.plant("memory", dist="same", version="1.0")
    earlier = tmp_path_factory.mktemp("earlier")
    garden.plant("memory", dist="same", version="2.0", folder=earlier)
    monkeypatch.syspath_prepend(str(earlier))
    found = info("memory")
    assert (found.state, found.version) == (PluginState.ACTIVE, "2.0")


# -- what hooks return -----------------------------------------------------------------------------------------------


def replaced(line: str, by: str) -> str:
    assert line in WORKING
    return WORKING.replace(line, by)


def counting(metric: str) -> str:
    with_metric = replaced('    sdk="memory-sdk>=2",', f"    metrics=(Metric({metric}, help='It.'),),")
    return with_metric.replace("Operation, Verdict", "Metric, Operation, Verdict")


MISDECLARED = {
    "no hook": ("", "It implements no hook. Decorate its register_backends() with @hookimpl."),
    "no decorator": (replaced("@hookimpl\n", ""), "It implements no hook."),
    "unknown hook": (
        replaced("def register_backends()", "def register_backend()"),
        "There is no hook 'register_backend'. Did you mean 'register_backends'?",
    ),
    "unknown argument": (replaced("def register_backends()", "def register_backends(gear)"), "Argument(s) {'gear'}"),
    "a raising hook": (replaced("return [BACKEND]", "raise OSError('disk')"), "OSError: disk"),
    "None": (replaced("return [BACKEND]", "return None"), "register_backends() returned None."),
    "a backend": (
        replaced("return [BACKEND]", "return BACKEND"),
        "returned an object of type Backend.",
    ),
    "text": (replaced("return [BACKEND]", "return 'memory'"), "register_backends() returned an object of type str."),
    "an empty list": (replaced("return [BACKEND]", "return []"), "register_backends() returned an empty list."),
    "something else": (replaced("return [BACKEND]", "return [BACKEND, 3]"), "one is an object of type int"),
    "the class": (replaced("return [BACKEND]", "return [Backend]"), "one is the class Backend"),
    "a nameless backend": (replaced('name="memory"', 'name=""'), "name of its Backend '' is an object of type str"),
    "settings that are none": (replaced("settings=Settings", "settings=dict"), "settings of its Backend 'memory' is"),
    "no connect": (replaced("connect=connect", "connect=None"), "connect of its Backend 'memory' is None. It has to"),
    "a wrong probe": (
        replaced("probe=probe", "probe='ping'"),
        "probe of its Backend 'memory' is an object",
    ),
    "a wrong convention": (
        replaced("probe=probe", "convention='db'"),
        "convention of its Backend 'memory' is an object of type str.",
    ),
    "a wrong owner": (replaced("probe=probe", "owner='me'"), "owner of its Backend 'memory' is an object of type str."),
    "an instrument that is none": (
        replaced("probe=probe", "instrument='sdk:Client'"),
        "instrument of its Backend 'memory' is an object of type str. It has to be an Instrument whose made_by names",
    ),
    "clients that are made nowhere": (
        replaced("probe=probe", "instrument=Instrument(made_by=('sdk.Client',), address=str, address_in=str)").replace(
            "import Backend,", "import Backend, Instrument,"
        ),
        "instrument of its Backend 'memory' is an object of type Instrument. It has to be an Instrument whose made_by",
    ),
    "a list of operations": (
        replaced("operations=(", "operations=list((").replace('klass="write")),', 'klass="write"))),'),
        "operations of its Backend 'memory' is an object of type list. It has to be a tuple of Operation.",
    ),
    "operations by name": (
        replaced('Operation(name="memory.get")', '"memory.get"'),
        "operations of its Backend 'memory' is an object of type tuple. It has to be a tuple of Operation.",
    ),
    "a wrong class": (
        replaced('klass="write"', 'klass="wriet"'),
        "Its operation 'memory.set' has the class 'wriet'. Did you mean 'write'?",
    ),
    "an operation twice": (replaced("memory.set", "memory.get"), "Two operations of it are named 'memory.get'."),
    "a backend twice": (replaced("[BACKEND]", "[BACKEND, BACKEND]"), "Two backends of it are named 'memory'."),
    "a wrong recommendation": (
        replaced("recommended=BreakerConfig(", "recommended=dict("),
        "recommended of its Backend 'memory' is an object of type dict. It has to be a BreakerConfig.",
    ),
    "a metric with a suffix": (
        counting("name='hits_total', kind='counter'"),
        "Its metric 'hits_total' needs another name: small letters, digits and underscores; _total is added",
    ),
    "a metric in capitals": (counting("name='Hits', kind='counter'"), "Its metric 'Hits' needs another name"),
    "a metric with a label of ours": (
        counting("name='hits', kind='counter', labels=('kind', 'service')"),
        "Its metric 'hits' has the label 'service', which has a meaning of its own. Take another name.",
    ),
    "a histogram without buckets": (counting("name='wait', kind='histogram'"), "Its metric 'wait' needs buckets"),
    "buckets in disorder": (
        counting("name='wait', kind='histogram', buckets=(2.0, 1.0)"),
        "Its metric 'wait' needs buckets, in ascending order",
    ),
    "a gauge with buckets": (counting("name='size', kind='gauge', buckets=(1.0,)"), "Its metric 'size' needs buckets"),
    "unreadable annotations": (
        replaced("size: int = 1", "size: NoSuchType = 1"),
        "The annotations of its settings Settings cannot be read: name 'NoSuchType' is not defined.",
    ),
}


@pytest.mark.parametrize(("code", "error"), MISDECLARED.values(), ids=MISDECLARED)
def test_what_a_hook_may_not_return_breaks_the_plugin_with_a_clear_message(
    garden: Garden, code: str, error: str
) -> None:
    """A mistake in a plugin shows when it is loaded, in words for its author, and not at the first call."""
    garden.plant("memory", code)
    found = info("memory")
    assert found.state is PluginState.BROKEN
    assert error in (found.error or "")
