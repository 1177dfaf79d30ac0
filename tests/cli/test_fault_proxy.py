"""The proxy as a program: orders as arguments and line by line, live."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.cli.support import PROGRAM, environment, program


@contextmanager
def echoing() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client, suppress(OSError):
                    while data := client.recv(100):
                        client.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"ping")
        return client.recv(100)


def test_orders_are_obeyed_live() -> None:
    """A toxic from the start, one that is typed, healing on the same port, and a good end."""
    with echoing() as upstream:
        command = [PROGRAM, "fault-proxy", f"127.0.0.1:{upstream}", "reset_peer"]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        running: Any
        with subprocess.Popen(command, text=True, env=environment(), **pipes) as running:
            try:
                found = re.search(r"127\.0\.0\.1:(\d+)", running.stdout.readline())
                assert found
                port = int(found[1])
                assert "ResetPeer" in running.stdout.readline()
                with pytest.raises(OSError, match="reset"):
                    ask(port)

                def order(text: str) -> str:
                    running.stdin.write(text)
                    running.stdin.flush()
                    return str(running.stdout.readline())

                assert order("heal\n") == "heal: done.\n"
                assert ask(port) == b"ping"
                assert order("limit_data 2\n").startswith("LimitData(")
                assert ask(port) == b"pi"
                assert "is no order" in order("nonsense\n")
                assert order("down\nheal\n") == "down: done.\n"  # two at once
                assert running.stdout.readline() == "heal: done.\n"
                assert ask(port) == b"ping"
                assert "connections=" in order("status\n")
            finally:
                running.send_signal(signal.SIGTERM)
            assert running.wait(10) == 0


def test_what_cannot_be_understood_is_said_at_once() -> None:
    """In one paragraph, with exit code 2, before anything listens."""
    for arguments, said in (
        (["6379"], "is no HOST:PORT"),
        (["127.0.0.1:6379", "nonsense"], "Known: latency"),
        (["127.0.0.1:6379", "latency"], "cannot be done"),
        (["127.0.0.1:6379", "bandwidth 0"], "above 0"),
    ):
        ran = program("fault-proxy", *arguments)
        assert ran.returncode == 2
        assert said in ran.stderr
        assert "Traceback" not in ran.stderr
