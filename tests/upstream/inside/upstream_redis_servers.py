"""A plugin of pytest, loaded inside redis-py's suite: each worker of xdist has a server for itself.

The tests empty the database, kill connections and change the configuration, so two of them cannot share one.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    options = json.loads(os.environ["SWITCHGEAR_UPSTREAM_SERVERS"])
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    vars(config.option).update(options[worker])
