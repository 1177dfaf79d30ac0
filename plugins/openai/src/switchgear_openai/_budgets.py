"""What may be spent in a time: tokens by the model, as the account allows them, and money.

A call is let through by what it may cost, as far as can be told, and is charged in the end with what it did, as the
answer says. So calls are spread out before the API has to refuse any.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, cast

from switchgear import RateLimit
from switchgear.spi import CODE, Call, ConfigurationError, Next
from switchgear_openai._bill import Bill, bill

#: Characters of a prompt that make a token, by the API's own rule of thumb.
_CHARACTERS = 4
#: Where a request says how long its answer may be.
_LENGTHS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


@dataclass(eq=False)
class Budget(RateLimit):
    """A rate limit whose units are known in full when the answer has ended."""

    inside: ClassVar[str] = "ratelimit"

    #: Tokens that an answer is taken to have where the request does not say how many it may have.
    answer: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cost = self.estimate

    def __call__(self, next: Next, /) -> Next:  # noqa: A002
        async def billed(call: Call) -> Any:
            token = bill.set(Bill(call, self.estimate(call), self.charge_for, bill.get()))
            try:
                return await next(call)
            finally:
                bill.reset(token)

        return super().__call__(billed)

    @abstractmethod
    def price(self, domain: str, prompt: int, completion: int) -> float:
        """The units of an answer of so many tokens."""

    def estimate(self, call: Call) -> float:
        """The units of a call that is yet to be made."""
        body: Mapping[str, Any] = getattr(call.fn, "keywords", {})
        lengths = [body[name] for name in _LENGTHS if isinstance(body.get(name), int)]
        said = body.get("messages", body.get("input", body.get("prompt", "")))
        embedding = call.operation.name == "openai.embeddings"
        answer = 0 if embedding else lengths[0] if lengths else self.answer
        return self.price(call.domain, _characters(said) // _CHARACTERS, answer * int(body.get("n") or 1))

    def charge_for(self, call: Call, prompt: int, completion: int, paid: float) -> None:
        """Charge a call with what an answer came to, less what it has paid."""
        now = call.pipeline.clock()
        meter = self.meter(now, call.domain if self.by == "domain" else None)
        self.charge(meter, self.price(call.domain, prompt, completion) - paid, now)


@dataclass(eq=False)
class Tokens(Budget):
    """So many tokens a minute, of each model by itself, as the API limits them (TPM). `rate` is the account's limit."""

    name: ClassVar[str] = "openai.tokens"

    per: float = 60.0
    unit: str = field(default="tokens", metadata=CODE)
    by: Literal["service", "domain", "operation"] = "domain"

    def price(self, domain: str, prompt: int, completion: int) -> float:
        return float(prompt + completion)


@dataclass(eq=False)
class Spend(Budget):
    """So much money an hour, of all models together. `prices` are by the model: of a million tokens of a prompt, and of
    an answer, in the money that `rate` is in. A model without a price costs as much as the dearest.

        "openai.spend" = { rate = 5.0, prices = { "gpt-4o" = [2.5, 10.0] } }
    """

    name: ClassVar[str] = "openai.spend"

    per: float = 3600.0
    unit: str = field(default="dollars", metadata=CODE)
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])

    def __post_init__(self) -> None:
        if not self.prices:
            raise ConfigurationError("Nobody knows what a token costs. Give the price of at least one model.", "prices")
        if self.burst is None:
            self.burst = self.rate / 10  # what a second brings in would not pay for one answer
        self._dearest = tuple(max(price[kind] for price in self.prices.values()) for kind in (0, 1))
        super().__post_init__()

    def price(self, domain: str, prompt: int, completion: int) -> float:
        of_prompt, of_answer = self.prices.get(domain, self._dearest)
        return (prompt * of_prompt + completion * of_answer) / 1e6


def _characters(said: object) -> int:
    """Of all text in messages, however it is nested; pictures and sound are not text."""
    if isinstance(said, str):
        return len(said)
    if isinstance(said, Mapping):
        message = cast("Mapping[str, object]", said)
        return _characters(message.get("content", message.get("text", "")))
    if isinstance(said, list | tuple):
        return sum(map(_characters, cast("list[object]", said)))
    return 0
