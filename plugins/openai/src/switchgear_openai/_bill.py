"""What a call has paid before it is made, and what it has to pay when its answers say what they came to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar

from switchgear.spi import Call

#: Charges a call with tokens of a prompt and of an answer, less what it has paid.
Charge = Callable[[Call, int, int, float], None]


class Bill:
    """That of one call, in one budget; `outer` is its bill in another, further out."""

    def __init__(self, call: Call, paid: float, charge: Charge, outer: Bill | None) -> None:
        self._call = call
        self._paid = paid
        self._charge = charge
        self._outer = outer

    def pay(self, tokens: Mapping[str, int]) -> None:
        """An answer was billed, of tokens by kind. The first takes the place of what was paid before; those of further
        attempts come on top of it.
        """
        self._charge(self._call, tokens.get("prompt", 0), tokens.get("completion", 0), self._paid)
        self._paid = 0.0
        if self._outer is not None:
            self._outer.pay(tokens)


#: Of the call that this task makes.
bill: ContextVar[Bill | None] = ContextVar("switchgear_openai_bill", default=None)
