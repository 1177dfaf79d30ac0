"""A plugin of pytest, loaded inside aiobotocore's suite: its servers are for this machine alone."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

moto: Any = import_module("moto.server")  # of the suite's own packages

# By itself Moto listens on all interfaces.
moto.ThreadedMotoServer = partial(moto.ThreadedMotoServer, "127.0.0.1")
