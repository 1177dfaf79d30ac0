"""A plugin of pytest, loaded inside aiobotocore's suite: its servers are for this machine alone."""

from __future__ import annotations

from functools import partial

import moto.server

# By itself Moto listens on all interfaces.
moto.server.ThreadedMotoServer = partial(moto.server.ThreadedMotoServer, "127.0.0.1")
