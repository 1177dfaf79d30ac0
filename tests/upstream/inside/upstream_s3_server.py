"""A plugin of pytest, loaded inside aioboto3's suite: the server that the tests get."""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib import import_module
from typing import Any

import pytest


class S3Server:
    """Stands before the fixture of that name, whose Moto has a port of its own choice."""

    @pytest.fixture(scope="session")
    def moto_server(self) -> Generator[str]:
        """The real server that is named, or Moto."""
        if named := os.environ.get("SWITCHGEAR_UPSTREAM_S3"):
            yield named
            return
        moto: Any = import_module("moto.server")  # of the suite's own packages
        server = moto.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        server.start()
        yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        server.stop()


def pytest_configure(config: pytest.Config) -> None:
    # Later than the conftest, so that this fixture is the one that counts.
    config.pluginmanager.register(S3Server(), "switchgear-upstream-s3-server")
