"""What the environment adds to a configuration, and what it cannot do to it."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from switchgear import ConfigurationError, CountWindow, Ramp, TimeWindow
from switchgear._config import read_environment
from switchgear._gear_config import GearConfig
from tests.config.support import Read, memory, problems, service
from tests.planted import Garden

# -- ${NAME} ---------------------------------------------------------------------------------------------------------

REFERENCES = {
    "${HOST}": "valkey",
    "redis://${HOST}:${PORT}/": "redis://valkey:6379/",
    "${NONE:-localhost}": "localhost",
    "${EMPTY:-localhost}": "localhost",
    "${EMPTY}": "",
    "${NONE:-}": "",
    "${HOST:-localhost}": "valkey",
    "$${HOST}": "${HOST}",
    "$HOST": "$HOST",
    "a$$b": "a$$b",
}


@pytest.mark.parametrize(("text", "expected"), REFERENCES.items())
def test_references_to_the_environment(read: Read, text: str, expected: str) -> None:
    """As in a shell: ${NAME}, and ${NAME:-default} where it is unset or empty; $${ is a plain ${."""
    config = read(memory(f'url = "{text}"'), HOST="valkey", PORT="6379", EMPTY="")
    assert service(config).settings.url == expected


def test_references_reach_everywhere_and_may_be_any_type(read: Read) -> None:
    """In arrays, tables and the plugin's name; where a key is no string, the text is read as a value."""
    text = memory(
        'hosts = ["${A}", "b"]\nsize = "${SIZE}"\ntls = "${TLS}"\nlabels = {x = "${SIZE}"}\npassword = "${SIZE}"',
        'probe_timeout = "${SIZE}"\nramp = "${OFF}"\nwindow = "${WINDOW}"',
    )
    environ = {"A": "a", "SIZE": "7", "TLS": "true", "OFF": "false", "WINDOW": "{count = 30}"}
    found = service(read(text.replace('"memory"', '"${P}"'), P="memory", **environ))
    assert (found.settings.hosts, found.settings.size, found.settings.tls) == (("a", "b"), 7, True)
    assert (found.settings.labels, found.settings.password) == ({"x": "7"}, "7")
    assert (found.breaker.probe_timeout, found.breaker.ramp, found.breaker.window) == (7.0, None, CountWindow(30))
    assert type(found.settings.password) is str


def test_an_unset_variable_is_an_error_at_its_key(read: Read) -> None:
    """It says the variable's name and how to give a default; what else would follow from it is not said."""
    assert problems(lambda: read(memory('hosts = ["a", "${HOST}"]\nsize = "${SIZE}"'))) == {
        "services.cache.settings.hosts[1]": (
            "The environment variable HOST is not set. Set it, or give a default: ${HOST:-default}."
        ),
        "services.cache.settings.size": (
            "The environment variable SIZE is not set. Set it, or give a default: ${SIZE:-default}."
        ),
    }


@pytest.mark.parametrize("text", ["${", "${}", "${1A}", "${A-b}", "${A:b}", "${A:-b"])
def test_a_malformed_reference_is_an_error(read: Read, text: str) -> None:
    """It is not taken for text: half a reference is a slip, and the other reading can be written as $${."""
    found = problems(lambda: read(memory(f'url = "{text}"'), A="a"))
    assert "Write $${ for a plain ${" in found["services.cache.settings.url"]


@given(st.text(string.printable))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_value_from_the_environment_is_never_looked_into(read: Read, value: str) -> None:
    """A password may hold any characters, references included."""
    if "\0" not in value:
        assert service(read(memory('password = "${PASSWORD}"'), PASSWORD=value)).settings.password == value


# -- SWITCHGEAR__... -------------------------------------------------------------------------------------------------


def from_environment(garden: Garden, text: str = "", **environ: str) -> GearConfig:
    if text:
        path = garden.folder / "switchgear.toml"
        path.write_text(text)
        environ["SWITCHGEAR_CONFIG"] = str(path)
    return read_environment(environ)


def test_the_environment_alone_configures_a_service(garden: Garden) -> None:
    """No file is needed."""
    found = service(
        from_environment(
            garden,
            SWITCHGEAR__SERVICES__CACHE__PLUGIN="memory",
            SWITCHGEAR__SERVICES__CACHE__SETTINGS__SIZE="9",
            SWITCHGEAR__SERVICES__CACHE__BREAKER__WINDOW__COUNT="30",
        )
    )
    assert (found.name, found.settings.size, found.breaker.window) == ("cache", 9, CountWindow(30))


def test_keys_of_the_environment_are_laid_over_the_file(garden: Garden) -> None:
    """One key changes and the rest of the file holds; text stays text where a string is wanted."""
    found = service(
        from_environment(
            garden,
            memory('url = "memory:1"\nsize = 3', "probe_timeout = 5\nramp.initial = 0.5"),
            SWITCHGEAR__SERVICES__CACHE__SETTINGS__SIZE="9",
            SWITCHGEAR__SERVICES__CACHE__SETTINGS__PASSWORD="0123",
            SWITCHGEAR__SERVICES__CACHE__BREAKER__RAMP__DURATION="3",
        )
    )
    assert (found.settings.url, found.settings.size, found.settings.password) == ("memory:1", 9, "0123")
    assert (found.breaker.probe_timeout, found.breaker.ramp) == (5.0, Ramp(initial=0.5, duration=3))
    assert found.origins == {
        "probe_timeout": str(garden.folder / "switchgear.toml"),
        "ramp.initial": str(garden.folder / "switchgear.toml"),
        "ramp.duration": "SWITCHGEAR__SERVICES__CACHE__BREAKER__RAMP__DURATION",
    }


def test_a_whole_table_can_be_given(garden: Garden) -> None:
    """As a table of TOML."""
    table = "{seconds = 30, buckets = 3}"
    found = service(from_environment(garden, memory(), SWITCHGEAR__SERVICES__CACHE__BREAKER__WINDOW=table))
    assert found.breaker.window == TimeWindow(30, 3)


def test_hyphens_and_capitals_are_found_in_the_file(garden: Garden) -> None:
    """Variables have neither, so PRIMARY_DB means "Primary-db"; where two may be meant, it is an error."""
    text = '[services.Primary-db]\nplugin = "memory"\n'
    variable = "SWITCHGEAR__SERVICES__PRIMARY_DB__SETTINGS__SIZE"
    assert service(from_environment(garden, text, **{variable: "4"})).settings.size == 4
    both = text + '[services.primary_db]\nplugin = "memory"\n'
    assert problems(lambda: from_environment(garden, both, **{variable: "4"})) == {
        variable: "PRIMARY_DB may mean any of 'Primary-db', 'primary_db'. Set it in the file."
    }


WRONG_VARIABLES = {
    "SWITCHGEAR__SERVICES__CACHE__SETTINGS__SISE": (
        "services.cache.settings.sise",
        "There is no key 'sise'. Did you mean 'size'? See SWITCHGEAR__SERVICES__CACHE__SETTINGS__SISE.",
    ),
    "SWITCHGEAR__SERVICE__CACHE__SETTINGS__SIZE": (
        "service",
        "There is no key 'service'. Did you mean 'services'? See SWITCHGEAR__SERVICE__CACHE__SETTINGS__SIZE.",
    ),
    "SWITCHGEAR__SERVICES__CACHE__SETTINGS__TLS": (
        "services.cache.settings.tls",
        "This should be true or false, and is a string. See SWITCHGEAR__SERVICES__CACHE__SETTINGS__TLS.",
    ),
    "SWITCHGEAR__SERVICES__CACHE__PLUGIN__NAME": (
        "SWITCHGEAR__SERVICES__CACHE__PLUGIN__NAME",
        "services.cache.plugin is no table, so no key can be set in it.",
    ),
    "SWITCHGEAR__SERVICES____SIZE": (
        "SWITCHGEAR__SERVICES____SIZE",
        "This names no key. Write SWITCHGEAR__SERVICES__NAME__SETTINGS__KEY: two underscores stand for a dot.",
    ),
    "SWITCHGEAR__": (
        "SWITCHGEAR__",
        "This names no key. Write SWITCHGEAR__SERVICES__NAME__SETTINGS__KEY: two underscores stand for a dot.",
    ),
}


@pytest.mark.parametrize(("variable", "problem"), WRONG_VARIABLES.items(), ids=WRONG_VARIABLES)
def test_a_wrong_variable_is_named(garden: Garden, variable: str, problem: tuple[str, str]) -> None:
    """The error is at the key's path and says which variable set it."""
    assert problems(lambda: from_environment(garden, memory(), **{variable: "x"})) == dict([problem])


def test_nothing_configured_is_an_error() -> None:
    """An application that asks the environment, where nothing is set, is told what to set."""
    with pytest.raises(ConfigurationError, match=r"Nothing is configured\. Set SWITCHGEAR_CONFIG to"):
        read_environment({"HOME": "/"})


def test_a_file_is_read_without_the_keys_of_the_environment(read: Read) -> None:
    """Who reads a file by name gets the file: only what its strings refer to can differ."""
    config = read(memory("size = 3"), SWITCHGEAR__SERVICES__CACHE__SETTINGS__SIZE="9")
    assert service(config).settings.size == 3


@given(st.text(), st.sampled_from(["SIZE", "TLS", "HOSTS", "LABELS", "TIMEOUT", "MODE", "URL"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_variable_holds_is_read_or_refused(garden: Garden, value: str, name: str) -> None:
    """No text makes reading fail in any other way than with an error at its key."""
    variable = f"SWITCHGEAR__SERVICES__CACHE__SETTINGS__{name}"
    try:
        found = from_environment(garden, memory(), **{variable: value})
    except ConfigurationError as error:
        keys = {re.split(r"[.\[]", one.key)[3] for one in error.errors}
    else:
        keys = {name.lower()} if service(found).settings else set()
    assert keys == {name.lower()}
