"""The endpoints of a process whose application serves none: on a thread of their own, which its event loop cannot hold
up.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
import threading

from switchgear._gear import Switchgear
from switchgear.asgi._app import create_app
from switchgear.asgi._running import server_of

_log = logging.getLogger("switchgear")

#: Seconds that requests may take to end when the process does.
_LEAVE = 1


class Beside:
    """Subscribed to a gear, it serves that from its first heartbeat on, in the process that has it: not in one that
    only forks those that do the work. Of several, the first has the port.
    """

    def __init__(self, gear: Switchgear, port: int) -> None:
        self._gear = gear
        self._port = port
        self._process = 0

    def on_heartbeat(self, _event: object) -> None:
        if self._process != os.getpid():
            self._process = os.getpid()
            self._start()

    def _start(self) -> None:
        try:
            listening = socket.create_server(("127.0.0.1", self._port))
        except OSError as exc:
            _log.warning("Port %d cannot be listened at (%s), so process %d is not served: of several processes, one "
                         "can be.", self._port, os.strerror(exc.errno or 0), os.getpid())  # fmt: skip
            return
        app = create_app(self._gear, token=os.environ.get("SWITCHGEAR_TOKEN"), hosts={"127.0.0.1", "localhost"})
        server = server_of(app, leave=_LEAVE)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listening]}, name="switchgear-endpoints", daemon=True
        )

        def leave() -> None:
            server.should_exit = True
            thread.join(2 * _LEAVE)

        atexit.register(leave)
        thread.start()
        _log.info("Serving http://127.0.0.1:%d/ from process %d.", self._port, os.getpid())
