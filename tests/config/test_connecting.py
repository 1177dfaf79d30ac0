"""What is configured is connected by a gear; what fails then is said in the words of the configuration."""

from __future__ import annotations

import pytest

from switchgear import ConfigurationError, MissingDependency, Switchgear
from tests.config.support import Read, memory
from tests.planted import WORKING, Garden

pytestmark = pytest.mark.anyio


async def test_a_configured_service_is_connected_and_guarded(read: Read) -> None:
    """Its client is there under its name, behind a breaker with the configured thresholds."""
    async with Switchgear(read(memory("size = 3", "failure_rate_threshold = 0.25"))) as gear:
        assert gear.client("cache").size == 3
        assert gear.service("cache").group.config.failure_rate_threshold == 0.25


async def test_a_missing_sdk_is_said_with_the_pip_line(garden: Garden, read: Read) -> None:
    """It is missed when it is needed, not before, and the plugin says which it is."""
    garden.plant("bare", WORKING.replace("    yield settings", "    import no_such_sdk\n    yield settings"))
    config = read('[services.cache]\nplugin = "bare"')
    with pytest.raises(MissingDependency, match=r"The SDK that the service 'cache' needs .*no_such_sdk") as raised:
        async with Switchgear(config):
            pass
    assert raised.value.install == "memory-sdk>=2"


@pytest.mark.parametrize(("argument", "key"), [(", key='url'", "settings.url"), ("", "settings")])
async def test_what_a_plugin_says_of_its_settings_gets_the_path_of_the_key(
    garden: Garden, read: Read, argument: str, key: str
) -> None:
    """A plugin knows the names of its settings, not under which service they stand. What it quotes is redacted."""
    error = f"ConfigurationError('Bad: redis://:pw@host'{argument})"
    garden.plant("picky", WORKING.replace("    yield settings", f"    raise {error}\n    yield"))
    config = read('[services.cache]\nplugin = "picky"')
    with pytest.raises(ConfigurationError) as found:
        async with Switchgear(config):
            pass
    assert str(found.value) == f"services.cache.{key}: Bad: redis://***@host"
