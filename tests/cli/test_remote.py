"""What is said where no process answers, or something answers that is none of ours."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.cli.serving import TOKEN, serving
from tests.cli.support import run


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that takes one connection for each answer, and tells what it was asked. An empty one keeps silent."""
    asked: list[bytes] = []
    done = threading.Event()

    def serve() -> None:
        with suppress(OSError):  # nobody came, and the test is over
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    asked.append(connection.recv(65_536))
                    connection.sendall(answer)
                    if not answer:
                        done.wait(20)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
        finally:
            done.set()
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)  # ends a wait for a connection
            thread.join(20)


def http(status: str, body: str = "", **headers: str) -> bytes:
    headers = {"Content-Length": str(len(body)), "Content-Type": "text/html", "Connection": "close", **headers}
    return "\r\n".join([f"HTTP/1.1 {status}", *(f"{k}: {v}" for k, v in headers.items()), "", body]).encode()


def refused(url: str, *arguments: str) -> str:
    """What a command says on its way out with exit code 2."""
    shown = run(*(arguments or ("status",)), "--url", url)
    assert (shown.exit_code, shown.stdout) == (2, "")
    return " ".join(shown.stderr.split())


@pytest.fixture
def nowhere() -> str:
    with socket.create_server(("127.0.0.1", 0)) as once:
        return f"http://127.0.0.1:{once.getsockname()[1]}"


@pytest.mark.parametrize("command", ["status", "health", "watch", "explain x", "close x", "override x --end"])
def test_nothing_listens(nowhere: str, command: str) -> None:
    """Every command says what to start."""
    assert refused(nowhere, *command.split()) == (
        f"Error: Nothing listens at {nowhere}. Start a process that does (`switchgear serve`, or an application that "
        "mounts switchgear.asgi), or say where it listens with --url or SWITCHGEAR_URL."
    )


def test_a_process_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for without end."""
    monkeypatch.setattr("switchgear.cli._remote._PATIENCE", 0.1)
    with answering(b"") as (url, _):
        assert "did not answer within 0.1 s. Its event loop may be blocked, or it hangs." in refused(url)


SHAPES: dict[str, tuple[bytes, str]] = {
    "some web site": (http("200 OK", "<html>"), "answers, but not as switchgear does. Give the address"),
    "the application beside the mount": (http("404 Not Found", '{"detail":"Not Found"}'), "answers 404, and not as"),
    "a proxy": (http("502 Bad Gateway", "<html>"), "answers 502, and not as switchgear does."),
    "another version": (http("200 OK", '{"version": 2}'), "runs another version of switchgear"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.9\r\n", "does not speak HTTP as it should"),
    "cut short": (http("200 OK", "{", **{"Content-Length": "90"}), "answers, but not as switchgear does."),
}


@pytest.mark.parametrize(("answer", "said"), SHAPES.values(), ids=SHAPES)
def test_what_answers_is_not_ours(answer: bytes, said: str) -> None:
    """It is named for what it is, without a traceback."""
    with answering(answer) as (url, _):
        assert said in refused(url)


def test_a_redirection_is_not_followed() -> None:
    """It would take the token along; the address to give is said instead."""
    with answering(http("200 OK")) as (elsewhere, asked):
        with answering(http("307 Temporary Redirect", Location=f"{elsewhere}/api")) as (url, first):
            shown = run("close", "db", "--url", url, SWITCHGEAR_TOKEN=TOKEN)
        assert shown.exit_code == 2
        assert f"is elsewhere: {elsewhere}/api. Give that address with --url." in " ".join(shown.stderr.split())
        assert TOKEN.encode() in first[0]
        assert asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_proxy_is_not_asked_for_this_machine(nowhere: str, host: str) -> None:
    """Whatever the environment says: it could not reach it, and must not see the token."""
    with serving() as shop:
        url = shop.url.replace("127.0.0.1", host)
        assert run("health", "--url", url, http_proxy=nowhere, HTTP_PROXY=nowhere).exit_code == 0


def test_a_proxy_is_asked_for_another_machine() -> None:
    """As the environment says."""
    with answering(http("502 Bad Gateway")) as (proxy, asked):
        refused_by = run("health", "--url", "http://elsewhere.invalid", http_proxy=proxy)
    assert refused_by.exit_code == 2
    assert asked[0].startswith(b"GET http://elsewhere.invalid/api/state ")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("127.0.0.1:9464", "is no address of endpoints. Write it like http://127.0.0.1:9464."),
        ("ftp://127.0.0.1", "is no address of endpoints."),
        ("http://", "is no address of endpoints."),
        ("http://[::1", "is no address of endpoints."),
        ("http://127.0.0.1:port", "is no address of endpoints."),
        ("http://127.0.0.1:9464/?x=1", "is no address of endpoints."),
        ("http://me:secret@127.0.0.1:9464", "is no address of endpoints."),
        ("http://no-such-host.invalid", "There is no host 'no-such-host.invalid'."),
    ],
)
def test_an_address_that_is_none(url: str, said: str) -> None:
    """It is said before anything is sent."""
    assert said in refused(url).replace("│ ", "")


def test_nothing_that_is_told_steers_the_terminal() -> None:
    """A backend may say anything; escape sequences in its errors do not reach the operator's terminal."""
    with serving() as shop:
        shop.gear.breaker("db").force_open("\x1b[2J\x07gotcha\x9b")
        shop.gear.degradation.look()
        shown = run("explain", "db", "--url", shop.url).stdout
        told = json.loads(run("explain", "db", "--json", "--url", shop.url).stdout)
    assert "gotcha" in shown
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert "\x1b" not in told["reason"]


@pytest.fixture
def told() -> Callable[[bytes], list[tuple[str, str]]]:
    from switchgear.cli._remote import _events

    return lambda stream: list(_events(line.decode().rstrip("\r\n") for line in stream.splitlines(keepends=True)))


def test_the_stream_of_events_is_read_as_the_standard_says(told: Callable[[bytes], list[tuple[str, str]]]) -> None:
    """Comments and unknown fields are passed over, data in several lines joined, an event without data is none."""
    stream = b": hello\n\nretry: 9\n\nevent: a\ndata: 1\n\ndata:2\r\ndata: 3\r\n\r\nevent: b\n\nid: 4\ndata\n\n"
    assert told(stream) == [("a", "1"), ("message", "2\n3"), ("message", "")]
