"""A configuration is checked as a whole: what is right becomes frozen data, what is wrong a list of keys."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear import ConfigurationError, MissingDependency
from switchgear._config import read_toml
from switchgear._keypath import dotted
from tests.config.support import RECOMMENDED, Read, memory, problems, service
from tests.planted import WORKING, Garden

# -- what is right ---------------------------------------------------------------------------------------------------


def test_a_service_has_settings_backend_and_breaker(read: Read) -> None:
    """Settings are the plugin's own dataclass; keys of the breaker are laid over what the plugin recommends."""
    text = memory(
        'url = "memory:1"\nsize = 5\ntimeout = 2\nhosts = ["a", "b"]\nlabels = {x = "y"}', "probe_timeout = 5"
    )
    found = service(read(text))
    assert (found.name, found.plugin, found.backend.name) == ("cache", "memory", "memory")
    assert found.breaker == dataclasses.replace(RECOMMENDED, probe_timeout=5.0)
    assert dataclasses.asdict(found.settings) == {
        "url": "memory:1",
        "password": None,
        "size": 5,
        "timeout": 2.0,
        "tls": False,
        "mode": "safe",
        "hosts": ("a", "b"),
        "labels": {"x": "y"},
    }


def test_services_keep_their_order(read: Read) -> None:
    """They are connected in the order of the file."""
    names = ["z", "a", "m"]
    config = read("".join(f'[services.{name}]\nplugin = "memory"\n' for name in names))
    assert [service.name for service in config.services] == names


def test_an_empty_file_has_no_services(read: Read) -> None:
    """An application may guard all its clients in code."""
    assert read("").services == ()


def test_of_several_backends_one_is_named(garden: Garden, read: Read) -> None:
    """A plugin with one backend, or one of its own name, needs no `backend`; any other says what there is."""
    second = "\nimport dataclasses\nOTHER = dataclasses.replace(BACKEND, name='disk')\n"
    both = WORKING.replace("@hookimpl", second + "@hookimpl").replace("[BACKEND]", "[OTHER, BACKEND]")
    garden.plant("storage", both)
    garden.plant("disk", both)
    assert service(read('[services.x]\nplugin = "storage"\nbackend = "memory"')).backend.name == "memory"
    assert service(read('[services.x]\nplugin = "disk"')).backend.name == "disk"
    assert problems(lambda: read('[services.x]\nplugin = "storage"')) == {
        "services.x.backend": "Say which backend of the plugin is meant: disk, memory."
    }
    assert problems(lambda: read('[services.x]\nplugin = "storage"\nbackend = "dis"')) == {
        "services.x.backend": "There is no backend 'dis'. Did you mean 'disk'?"
    }


def test_the_file_chooses_between_distributions(garden: Garden, read: Read) -> None:
    """[plugins] decides a conflict."""
    garden.plant("twice", dist="one")
    garden.plant("twice", dist="two")
    text = '[services.x]\nplugin = "twice"\n'
    assert "CONFLICT" in problems(lambda: read(text))["services.x.plugin"]
    assert service(read(f'[plugins]\ntwice = "two"\n{text}')).plugin == "twice"


# -- what is wrong --------------------------------------------------------------------------------------------------


def test_everything_that_is_wrong_is_said_at_once(read: Read) -> None:
    """Nobody has to mend one error to see the next: not of names, nor of types, nor of values."""
    text = """
        plugin = {}
        [services.cache]
        plugin = "memory"
        colour = "red"
        [services.cache.settings]
        sise = 3
        tls = "yes"
        [services.cache.breaker]
        failure_rate_threshold = 1.5
        probe_timeout = -1
        minimum_number_of_calls = "many"
        [services.db]
        plugin = "memroy"
        [services.nothing]
    """
    assert problems(lambda: read(text)) == {
        "plugin": "There is no key 'plugin'. Did you mean 'plugins'?",
        "services.cache.colour": (
            "There is no key 'colour'. Known: backend, breaker, health, pipeline, plugin, requires, settings."
        ),
        "services.cache.settings.sise": "There is no key 'sise'. Did you mean 'size'?",
        "services.cache.settings.tls": "This should be true or false, and is a string.",
        "services.cache.breaker.failure_rate_threshold": (
            "1.5 is no ratio. Give a share above 0 and at most 1, or none."
        ),
        "services.cache.breaker.probe_timeout": "-1.0 is no length of time. Give seconds, above 0.",
        "services.cache.breaker.minimum_number_of_calls": "This should be a whole number, and is a string.",
        "services.db.plugin": "There is no plugin 'memroy'. Did you mean 'memory'?",
        "services.nothing.plugin": "This key is missing.",
    }


def test_the_error_names_the_file_and_lists_the_keys(read: Read) -> None:
    """One problem is one line; several are a list."""
    with pytest.raises(ConfigurationError, match=r"switchgear\.toml: services\.cache\.breaker\.rmp: .*'ramp'\?$"):
        read(memory(breaker="rmp = false"))
    with pytest.raises(ConfigurationError, match=r"switchgear\.toml has 2 problems:\n- services\..*\n- services\..*$"):
        read(memory("sise = 1", "rmp = false"))


WRONG_SHAPES = {
    "services = 3": {"services": "This should be a table, and is a whole number."},
    "services.cache = 3": {"services.cache": "This should be a table, and is a whole number."},
    "[services.cache]\nplugin = 3": {"services.cache.plugin": "This should be a string, and is a whole number."},
    "[plugins]\nmemory = 3": {"plugins.memory": "This should be a string, and is a whole number."},
    '[plugins]\nmemory = "nobody"': {
        "plugins.memory": "There is no plugin 'memory' in a distribution 'nobody'. Known: dist-of-memory."
    },
    memory('hosts = "abc"'): {"services.cache.settings.hosts": "This should be an array, and is a string."},
    memory("hosts = [1]"): {"services.cache.settings.hosts[0]": "This should be a string, and is a whole number."},
    memory("labels = {a = 1}"): {"services.cache.settings.labels.a": "This should be a string, and is a whole number."},
    memory("timeout = false"): {"services.cache.settings.timeout": "This should be a number, and is false."},
    '[services."a.b"]\nplugin = 1': {'services."a.b".plugin': "This should be a string, and is a whole number."},
}


@pytest.mark.parametrize(("text", "found"), WRONG_SHAPES.items(), ids=WRONG_SHAPES)
def test_a_wrong_shape_is_said_at_its_key(read: Read, text: str, found: dict[str, str]) -> None:
    """Text is never taken apart as an array, nor a number taken for text, nor false for nothing."""
    assert problems(lambda: read(text)) == found


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_a_path_is_a_key_of_toml(names: list[str]) -> None:
    """Whatever a table is named, the path in an error can be pasted into a file and means that key."""
    expected: Any = 1
    for name in reversed(names):
        expected = {name: expected}
    assert tomllib.loads(f"{dotted(tuple(names))} = 1") == expected


def test_errors_survive_a_process_boundary(read: Read) -> None:
    """They pickle with all their data, as a pool of workers needs."""
    with pytest.raises(ConfigurationError) as raised:
        read(memory("sise = 1", "rmp = false"))
    copy = pickle.loads(pickle.dumps(raised.value))
    assert str(copy) == str(raised.value)
    assert [(one.key, one.problem) for one in copy.errors] == [(one.key, one.problem) for one in raised.value.errors]
    missing = pickle.loads(pickle.dumps(MissingDependency("It", install="it>=1")))
    assert (missing.what, missing.install) == ("It", "it>=1")


# -- plugins that a configuration names ------------------------------------------------------------------------------


def test_a_broken_plugin_is_a_problem_of_its_service(garden: Garden, read: Read) -> None:
    """It is said beside all other problems."""
    garden.plant("broken", "raise RuntimeError('out of luck')")
    found = problems(lambda: read('[services.x]\nplugin = "broken"\n' + memory("sise = 1")))
    assert set(found) == {"services.x.plugin", "services.cache.settings.sise"}
    assert found["services.x.plugin"].startswith("Plugin 'broken' is BROKEN: RuntimeError: out of luck.")


def test_a_plugin_of_ours_that_is_not_installed_is_said_with_the_pip_line(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is right, only the package is missing."""
    monkeypatch.setattr("switchgear._plugins.distributions", list)
    found = problems(lambda: read('[services.x]\nplugin = "redis"'))
    assert found["services.x.plugin"].endswith('Install it with: pip install "switchgear-redis"')


def test_a_blocked_plugin_is_said(read: Read) -> None:
    """The allow-list holds for what a configuration names."""
    found = problems(lambda: read(memory(), SWITCHGEAR_PLUGINS="redis"))
    assert found["services.cache.plugin"].startswith("Plugin 'memory' is BLOCKED")
    found = problems(lambda: read(memory(), SWITCHGEAR_PLUGINS="memor"))
    assert found == {"SWITCHGEAR_PLUGINS": "There is no plugin 'memor'. Did you mean 'memory'?"}


def test_settings_that_no_configuration_can_hold_are_the_plugins_mistake(garden: Garden, read: Read) -> None:
    """A field of an odd type ends in words, not in a traceback."""
    garden.plant("odd", WORKING.replace("size: int = 1", "size: memoryview = None"))
    [said] = problems(lambda: read('[services.x]\nplugin = "odd"\nsettings.size = 1')).values()
    assert said == "No configuration can hold a <class 'memoryview'>. This is for the authors of the plugin to mend."


# -- files -----------------------------------------------------------------------------------------------------------


def test_no_such_file(tmp_path: Path) -> None:
    """The error says where it was looked for."""
    with pytest.raises(ConfigurationError, match=r"switchgear\.toml: There is no such file") as raised:
        read_toml(tmp_path / "switchgear.toml")
    assert str(tmp_path) in str(raised.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """The operating system's reason is passed on."""
    with pytest.raises(ConfigurationError, match="The file cannot be read: Is a directory"):
        read_toml(tmp_path)


@pytest.mark.parametrize("text", ["a = 1\nb = ", "a = 1\nb = hello", "a = 1\na = 2", "a = 1\n[b"])
def test_what_is_no_toml_is_said_with_line_and_column(read: Read, text: str) -> None:
    """The place is tomllib's."""
    with pytest.raises(ConfigurationError, match=r"This is no TOML: .*(at line 2, column \d+|at end of document)"):
        read(text)


def test_text_in_another_encoding(tmp_path: Path) -> None:
    """UTF-8 is asked for; a signature that some editors put in front is no matter."""
    path = tmp_path / "switchgear.toml"
    path.write_bytes("[services]\n# für".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="no text in UTF-8: the byte at 14"):
        read_toml(path)
    path.write_bytes("[services]\n# für".encode("utf-8-sig"))
    assert read_toml(path).services == ()


# -- secrets ---------------------------------------------------------------------------------------------------------


def test_secrets_are_in_no_repr(read: Read) -> None:
    """Settings are left out of the configuration's repr as a whole: a URL may hold a password too."""
    config = read(memory('password = "hunter2"\nurl = "memory://me:hunter2@host"'))
    assert service(config).settings.password == "hunter2"
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize(
    "settings",
    ['password = "${PASSWORD}"\nsize = "x"', 'size = "${PASSWORD}"', 'mode = "${PASSWORD}"', "hunter2 = 1"],
)
def test_secrets_are_in_no_error(read: Read, settings: str) -> None:
    """Errors tell kinds of values, not values. Names of keys they do tell, so the last one shows that this can fail."""
    with pytest.raises(ConfigurationError) as raised:
        read(memory(settings), PASSWORD="hunter2")
    assert ("hunter2" in str(raised.value)) == settings.startswith("hunter2")


@pytest.mark.parametrize("error", ["ValueError", "ConfigurationError"])
def test_a_plugin_that_checks_its_settings_cannot_tell_a_secret(garden: Garden, read: Read, error: str) -> None:
    """What it raises is passed on, at the key it names, without the values of its secret fields."""
    check = f"    def __post_init__(self): raise {error}('Bad: ' + self.password + ' at amqp://a:b@host')\n\n@async"
    garden.plant("careless", WORKING.replace("@async", check, 1))
    [said] = problems(lambda: read('[services.x]\nplugin = "careless"\nsettings.password = "hunter2"')).values()
    assert said == "Bad: *** at amqp://***@host"


# -- dependencies ----------------------------------------------------------------------------------------------------


def test_without_cattrs_the_pip_line_is_said(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading configurations is an extra."""
    for module in ("_services", "_structure", "_breaker_table"):
        monkeypatch.delitem(sys.modules, f"switchgear.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "cattrs", None)
    with pytest.raises(MissingDependency, match=r'pip install "switchgear\[config\]"'):
        read(memory())


def test_validating_loads_no_sdk(tmp_path: Path) -> None:
    """A configuration of all four plugins is checked without any of their clients."""
    path = tmp_path / "switchgear.toml"
    path.write_text("""
        [services.cache]
        plugin = "redis"
        settings.url = "redis://localhost"
        [services.files]
        plugin = "s3"
        [services.llm]
        plugin = "openai"
        [services.db]
        plugin = "db"
        settings.url = "postgresql+asyncpg://localhost/x"
    """)
    code = "import sys; from switchgear import Switchgear; Switchgear.from_toml(sys.argv[1]); print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True).stdout
    loaded = set(printed.split())
    assert {"switchgear_redis", "switchgear_s3", "switchgear_openai", "switchgear_db"} <= loaded
    assert not {"redis", "aioboto3", "botocore", "openai", "httpx", "sqlalchemy", "click"} & loaded
