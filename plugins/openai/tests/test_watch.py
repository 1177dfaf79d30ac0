"""What the bytes of an answer tell."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from switchgear.spi import Verdict
from switchgear_openai._sse import EventWatch
from switchgear_openai._watch import DocumentWatch, Finding, Watch, WebPageWatch

HEAD = {"choices": [{"index": 0, "delta": {"content": "He said {hi}"}, "finish_reason": None}], "usage": None}
LAST = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {
    "choices": [],
    "usage": {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 8}},
}
DONE = "[DONE]"


def sse(*events: object, name: str = "", end: str = "\n") -> bytes:
    texts = (event if isinstance(event, str) else json.dumps(event) for event in events)
    return "".join(f"{f'event: {name}{end}' if name else ''}data: {text}{end}{end}" for text in texts).encode()


def outcome(watch: Watch, pieces: Iterable[bytes]) -> Finding:
    for piece in pieces:
        if (finding := watch.feed(piece)) is not None:
            return finding
    return watch.end()


WHOLE = [
    sse(HEAD, LAST, DONE),
    sse(HEAD, LAST),  # a server that leaves out [DONE]
    sse(HEAD, DONE),  # ... or the finish_reason
    sse(HEAD, LAST, USAGE, DONE),
    sse(HEAD, LAST, DONE, end="\r\n"),
    b": waiting\n\n" + sse(HEAD, LAST),
    sse(HEAD) + b"data: [DONE]",  # no blank line at the end
    sse(HEAD) + sse(LAST)[:-1],
    sse({"choices": [{"delta": {"content": "{"}}]}, {"choices": [{"delta": {"content": '"error": {"x"'}}]}, LAST),
    sse({"type": "response.created", "response": {"error": None, "usage": None}}, name="response.created")
    + sse({"type": "response.completed", "response": {"error": None}}, name="response.completed"),
    sse({"type": "response.incomplete", "response": {"error": None}}),
    b'data: {"choices":\ndata: [{"finish_reason": "stop"}]}\n\n',  # one event in two lines
]
CUT_SHORT = [
    b"",
    b": waiting\n\n",
    sse(HEAD),
    sse(HEAD, HEAD)[:-20],
    b'{"choices": []}',
    sse({"type": "response.created"}),
]
BROKEN = [
    sse(HEAD, '{"choices": ['),
    sse(HEAD)[:40] + b"\n\n",
    sse("upstream error"),
    sse(""),
    sse('{"usage": {nothing}}'),
]


@pytest.mark.parametrize("body", WHOLE)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_whole_stream(body: bytes, size: int) -> None:
    """A stream that comes to its end is a success, however it is cut into pieces."""
    assert outcome(EventWatch(), (body[i : i + size] for i in range(0, len(body), size))).verdict == Verdict.SUCCESS


@pytest.mark.parametrize("body", CUT_SHORT)
@pytest.mark.parametrize("size", [1, 10_000])
def test_truncated_stream(body: bytes, size: int) -> None:
    """A stream that just stops is a failure and counted as truncated, unless its operation has no known end."""
    finding = outcome(EventWatch(), (body[i : i + size] for i in range(0, len(body), size)))
    assert (finding.verdict, finding.truncated) == (Verdict.FAILURE, True)
    assert outcome(EventWatch(must_finish=False), [body]).verdict == Verdict.SUCCESS


@pytest.mark.parametrize("body", BROKEN)
def test_broken_chunk(body: bytes) -> None:
    """A chunk that the SDK could not parse is a failure as soon as it passes."""
    watch = EventWatch()
    finding = watch.feed(body)
    assert finding is not None
    assert (finding.verdict, finding.truncated) == (Verdict.FAILURE, False)


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        ({"error": {"message": "x", "type": "server_error"}}, Verdict.FAILURE),
        ({"error": "it broke"}, Verdict.FAILURE),
        ({"error": {"code": "rate_limit_exceeded"}}, Verdict.THROTTLED),
        ({"error": {"code": "insufficient_quota"}}, Verdict.EXHAUSTED.everywhere()),
        ({"error": {"code": "context_length_exceeded"}}, Verdict.SUCCESS),
        ({"type": "error", "code": "server_error", "message": "x"}, Verdict.FAILURE),
        ({"type": "error", "code": "rate_limit_exceeded"}, Verdict.THROTTLED),
        ({"type": "response.failed", "response": {"error": {"code": "server_error"}}}, Verdict.FAILURE),
        ({"error": {"code": 503}, "choices": [{"finish_reason": "error"}]}, Verdict.FAILURE),
    ],
)
def test_error_event(event: object, verdict: Verdict) -> None:
    """An error that arrives as an event is judged by what it calls itself."""
    watch = EventWatch()
    assert watch.feed(sse(HEAD)) is None
    finding = watch.feed(sse(event))
    assert finding is not None
    assert finding.verdict == verdict
    assert outcome(EventWatch(), [sse(HEAD), sse(event)[:-2]]).verdict == verdict  # without the blank line after it


def test_left_early() -> None:
    """Who leaves a stream after its finish_reason has been served; before it, that says nothing."""
    watch = EventWatch()
    watch.feed(sse(HEAD))
    assert watch.dropped() is None
    watch.feed(sse(LAST))
    assert watch.dropped() == Finding(Verdict.SUCCESS)


def test_begun() -> None:
    """Comments that keep the connection alive are not the first chunk."""
    watch = EventWatch()
    watch.feed(b": OPENROUTER PROCESSING\n\n")
    assert not watch.begun
    watch.feed(sse(HEAD))
    assert watch.begun


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_compressed_stream(encoding: bytes) -> None:
    """Compressed streams are read too, piece by piece."""

    def packed(body: bytes) -> list[bytes]:
        data = gzip.compress(body) if encoding == b"gzip" else zlib.compress(body)
        return [data[:11], data[11:]]

    assert outcome(EventWatch(encoding), packed(sse(HEAD, LAST))).verdict == Verdict.SUCCESS
    assert outcome(EventWatch(encoding), packed(sse(HEAD))).verdict == Verdict.FAILURE


def test_blind() -> None:
    """Where the encoding is unknown, or the bytes are not of it, or an event is huge, the end is a good one."""
    assert outcome(EventWatch(b"zstd"), [sse(HEAD)]).verdict == Verdict.SUCCESS
    assert outcome(EventWatch(b"gzip"), [sse(HEAD)]).verdict == Verdict.SUCCESS
    assert outcome(EventWatch(), [b"data: " + b"x" * 2**20]).verdict == Verdict.SUCCESS


CHAT = {
    "id": "x",
    "choices": [{"message": {"content": 'say "usage": {"prompt_tokens": 1}'}}],
    "usage": USAGE["usage"],
    "end": None,
}


@pytest.mark.parametrize("encoding", [b"", b"gzip"])
@pytest.mark.parametrize("size", [1, 10_000])
def test_document(encoding: bytes, size: int) -> None:
    """A JSON answer that closes is a success, and its usage is found, in one piece or many, compressed or not."""
    text = json.dumps({"filling": "x" * 10_000, **CHAT}, indent=1).encode()
    body = gzip.compress(text) if encoding else text
    watch = DocumentWatch(encoding)
    assert outcome(watch, (body[i : i + size] for i in range(0, len(body), size))).verdict == Verdict.SUCCESS
    assert watch.tokens() == {"prompt": 9, "completion": 4, "cached": 8}


def test_tokens_of_responses() -> None:
    """The Responses API's names for tokens are understood, in its final event."""
    usage = {"input_tokens": 5, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 0}}
    watch = EventWatch()
    watch.feed(sse({"type": "response.completed", "response": {"usage": usage}}))
    assert watch.tokens() == {"prompt": 5, "completion": 2}


@pytest.mark.parametrize(
    "body", [b"", b" \n", b'{"id": ', b'{"id": "x"', b'[{"id": "x"}', b"<html></html>", b'{"a": 1]']
)
def test_broken_document(body: bytes) -> None:
    """An answer that is empty, that does not close, or that is markup is a failure."""
    assert outcome(DocumentWatch(), [body]).verdict == Verdict.FAILURE


@pytest.mark.parametrize("body", [b"{}", b"[]\n", b'"text"', b"3", b"null", b'{"a": {"b": []}}'])
def test_any_json_document(body: bytes) -> None:
    """Any JSON value will do."""
    assert outcome(DocumentWatch(), [body]).verdict == Verdict.SUCCESS


def test_web_page() -> None:
    """A web page in place of an answer is a failure."""
    assert outcome(WebPageWatch(), [b"<html></html>"]).verdict == Verdict.FAILURE


@given(
    st.lists(st.binary(max_size=60) | st.sampled_from([b"data:", b"\n\n", b'{"usage":{', b'{"error":{}}', b"[]", b"}"]))
)
@example([sse({"choices": 3, "usage": {"prompt_tokens": []}})])
@example([sse({"choices": [3], "usage": {}})])
@example([sse({"response": [], "usage": {"prompt_tokens_details": 1}})])
@example([sse([{"usage": {}}])])
def test_nothing_surprises_it(pieces: list[bytes]) -> None:
    """Whatever a server sends, a watch has a verdict and raises nothing."""
    for watch in (EventWatch(), EventWatch(b"gzip"), DocumentWatch(), DocumentWatch(b"deflate"), Watch()):
        assert outcome(watch, pieces).verdict.name in {"SUCCESS", "FAILURE", "THROTTLED", "EXHAUSTED"}
        watch.tokens()
