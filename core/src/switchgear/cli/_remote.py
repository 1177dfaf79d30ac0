"""A running process, asked over its endpoints: `switchgear serve`, or an application that mounts switchgear.asgi."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from ipaddress import ip_address
from socket import gaierror
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import msgspec

from switchgear._errors import SwitchgearError
from switchgear._keypath import is_array, is_table
from switchgear._redact import redact

T = TypeVar("T")

#: Seconds without a byte. The endpoints answer from memory, and the stream of events has something to say each second.
_PATIENCE = 5.0
#: Bytes of an answer that are read: the state of some ten thousand breakers.
_MOST = 64 * 1024 * 1024

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class RemoteError(SwitchgearError):
    """The process could not be asked, or did not do what it was asked to. Says what to do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, be it a refusal."""

    status: int
    headers: Mapping[str, str]  #: their names in lower case
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - what HTTP calls successful


class Remote:
    """One process. `url` is that of its endpoints, with the path that they are mounted at; an operator has a token.

    A proxy of the environment is asked for other machines, never for this one. Redirections are not followed: they
    would take the token with them. Methods raise RemoteError.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._token = token
        proxies = ProxyHandler({}) if _is_this_machine(urlsplit(url).hostname or "") else ProxyHandler()
        self._opener = build_opener(proxies, _Stay)

    def ask(self, path: str, *, method: str = "GET", body: Mapping[str, Any] | None = None) -> Answer:
        """One request and its answer, whatever that says."""
        headers = {"Accept": "application/json"}
        with self._in_words(), self._open(path, headers, method, body) as answer:
            return Answer(
                answer.status, {name.lower(): said for name, said in answer.headers.items()}, answer.read(_MOST)
            )

    def get(self, path: str, type_: type[T]) -> T:
        """The document at a path."""
        return self._read(path, self.ask(path), type_)

    def order(self, path: str, body: Mapping[str, Any], type_: type[T], *, method: str = "POST") -> T:
        """Give an operator's order; the answer is a document of what it was given to."""
        return self._read(path, self.ask(path, method=method, body=body), type_)

    def events(self, after: int) -> Iterator[tuple[str, Any]]:
        """What happened after the entry of a number, and what happens from now on: kind and document. Ends in a
        RemoteError, as every connection does.
        """
        path = "/events"
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        with self._in_words(), self._open(path, headers) as answer:
            if answer.status != 200:  # noqa: PLR2004 - OK
                raise RemoteError(self._refusal(path, Answer(answer.status, {}, answer.read(_MOST))))
            for kind, data in _events(line.decode().rstrip("\r\n") for line in answer):
                yield kind, _printable(json.loads(data))
        raise RemoteError(f"{self.url} has ended the stream of its events. Has the process been stopped?")

    def _open(
        self, path: str, headers: dict[str, str], method: str = "GET", body: Mapping[str, Any] | None = None
    ) -> HTTPResponse:
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, headers, method=method)  # noqa: S310 - http or https, says the option
        try:
            answer: HTTPResponse = self._opener.open(request, timeout=_PATIENCE)
        except HTTPError as refusal:
            return refusal  # type: ignore[return-value] # it is an answer as well
        return answer

    def _read(self, path: str, answer: Answer, type_: type[T]) -> T:
        if not answer.ok:
            raise RemoteError(self._refusal(path, answer))
        try:
            return msgspec.convert(_printable(json.loads(answer.body)), type_)
        except msgspec.ValidationError as exc:
            raise RemoteError(
                f"{self.url} runs another version of switchgear, and this one cannot read what it says: {exc}."
            ) from None
        except ValueError:
            raise RemoteError(
                f"What listens at {self.url} answers, but not as switchgear does. Give the address of its endpoints "
                "with --url or SWITCHGEAR_URL, with the path that they are mounted at."
            ) from None

    # -- in words ------------------------------------------------------------------------------------------------

    @contextmanager
    def _in_words(self) -> Generator[None]:
        try:
            yield
        except (OSError, HTTPException) as exc:
            raise RemoteError(self._trouble(exc.reason if isinstance(exc, URLError) else exc)) from exc

    def _trouble(self, trouble: object) -> str:
        match trouble:
            case ConnectionRefusedError():
                return (
                    f"Nothing listens at {self.url}. Start a process that does (`switchgear serve`, or an application "
                    "that mounts switchgear.asgi), or say where it listens with --url or SWITCHGEAR_URL."
                )
            case TimeoutError():
                return f"{self.url} did not answer within {_PATIENCE:g} s. Its event loop may be blocked, or it hangs."
            case gaierror():
                return f"There is no host {urlsplit(self.url).hostname!r}. Correct --url or SWITCHGEAR_URL."
            case ssl.SSLError():
                return f"{self.url} cannot be asked over TLS: {redact(str(trouble))}."
            case OSError() if trouble.strerror:
                return f"{self.url} cannot be reached: {trouble.strerror}."
            case _:
                said = redact(str(trouble)) or type(trouble).__name__
                return f"What listens at {self.url} does not speak HTTP as it should: {said}."

    def _refusal(self, path: str, answer: Answer) -> str:
        said = _said(answer)
        match answer.status:
            case 401 if self._token is None:
                return f"{self.url} takes orders only with its token. Give it in SWITCHGEAR_TOKEN or a --token-file."
            case 401:
                return f"{self.url} does not accept this token. Put its own into SWITCHGEAR_TOKEN or the --token-file."
            case status if 300 <= status < 400:  # noqa: PLR2004 - a redirection
                return f"{self.url} is elsewhere: {answer.headers.get('location', '?')}. Give that address with --url."
            case _ if said:
                return f"{self.url} refuses: {said}"
            case status:
                return (
                    f"{self.url}{path} answers {status}, and not as switchgear does. Give the address of its endpoints "
                    "with --url or SWITCHGEAR_URL, with the path that they are mounted at."
                )


class _Stay(HTTPRedirectHandler):
    """Takes no redirection."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Problem(msgspec.Struct):
    """What switchgear says of a refusal (RFC 9457); others say less."""

    title: str
    detail: str


def _said(answer: Answer) -> str:
    """What a refusal says of itself, if it is switchgear's."""
    try:
        return redact(msgspec.convert(_printable(json.loads(answer.body)), _Problem).detail)
    except ValueError:  # some server's own page
        return ""


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _events(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The events of a text/event-stream: name and data."""
    name, data = "message", list[str]()
    for line in lines:
        field, _, value = line.partition(":")
        if not line:
            if data:
                yield name, "\n".join(data)
            name, data = "message", []
        elif field == "event":
            name = value.removeprefix(" ")
        elif field == "data":
            data.append(value.removeprefix(" "))


def _printable(value: Any) -> Any:
    """The same, with nothing in its texts that could steer a terminal."""
    if isinstance(value, str):
        return _CONTROL.sub("\ufffd", value)
    if is_table(value):
        return {name: _printable(inner) for name, inner in value.items()}
    if is_array(value):
        return [_printable(inner) for inner in value]
    return value
