"""The errors of ours that users of the SDK already catch. Loads the SDK: imported when a client is guarded."""

from __future__ import annotations

from typing import Any

import openai

from switchgear.spi import CallNotPermitted, CallTimedOut


class OpenAICallNotPermitted(CallNotPermitted, openai.APIConnectionError):
    """The call was refused before it reached the API, which is in trouble.

    `except openai.APIConnectionError` and `except openai.APIError` catch it; the SDK neither retries nor wraps it.
    `request` is the one that was refused. It stays behind when the refusal is pickled: it holds the key and the prompt.
    """

    body = None
    code = None
    param = None
    type = None

    @property
    def message(self) -> str:  # type: ignore[override]  # made when it is read, as all refusals' texts
        """What the SDK's errors call their text."""
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args


class OpenAICallTimedOut(CallTimedOut, openai.APITimeoutError):
    """The call took longer than the pipeline of its service allows: all attempts together, or each.

    `except openai.APITimeoutError` catches it. There may have been several requests, and it has none of them.
    """

    body = None
    code = None
    param = None
    type = None
    request: Any = None

    @property
    def message(self) -> str:  # type: ignore[override]  # as above
        """What the SDK's errors call their text."""
        return str(self)
