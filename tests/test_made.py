"""Who waits for the clients of a class hears of each one, and takes that back without a trace."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import pytest

from switchgear._made import when_made


class _Base:
    def __init__(self, host: str, *, port: int = 1) -> None:
        """Of the base."""
        self.address = f"{host}:{port}"


@pytest.fixture
def sdk() -> Any:
    """A module with a client, one that inherits what makes it, and one that is made by another's class method."""
    module: Any = ModuleType("sdk")

    class Client(_Base):
        def __init__(self, host: str, *, port: int = 1) -> None:
            """Of the client."""
            super().__init__(host, port=port)

    class Heir(_Base):
        pass

    class Maker:
        @classmethod
        def made(cls, client: object) -> tuple[type, object]:
            return cls, client

    module.Client, module.Heir, module.Maker = Client, Heir, Maker
    return module


@pytest.mark.parametrize("kind", ["Client", "Heir"])
def test_a_client_is_heard_of_when_it_is_complete(sdk: Any, kind: str) -> None:
    """Whether its class has an __init__ of its own or inherits it; other heirs of that are not meant."""
    heard: list[str] = []
    when_made(sdk, f"{kind}.__init__", lambda client: heard.append(client.address))
    client = getattr(sdk, kind)("a", port=2)
    _Base("b")
    assert heard == ["a:2"]
    assert client.address == "a:2"


def test_subclasses_are_heard_of_too(sdk: Any) -> None:
    """Also those that were there before."""

    class Sub(sdk.Client):  # type: ignore[misc]
        pass

    heard: list[Any] = []
    when_made(sdk, "Client.__init__", heard.append)
    sub = Sub("a")
    assert heard == [sub]


def test_a_class_method_is_called_with_the_client(sdk: Any) -> None:
    """And keeps its class, its argument and its result."""

    class Sub(sdk.Maker):  # type: ignore[misc]
        pass

    heard: list[Any] = []
    when_made(sdk, "Maker.made", heard.append)
    client = object()
    assert Sub.made(client) == (Sub, client)
    assert heard == [client]


@pytest.mark.parametrize("method", ["Client.__init__", "Heir.__init__", "Maker.made"])
def test_what_is_taken_back_leaves_no_trace(sdk: Any, method: str) -> None:
    """The class is what it was, to the last attribute."""
    owner = getattr(sdk, method.partition(".")[0])
    before = dict(vars(owner))
    forget = when_made(sdk, method, lambda _: None)
    assert dict(vars(owner)) != before
    forget()
    forget()
    assert dict(vars(owner)) == before


def test_a_constructor_looks_as_it_did(sdk: Any) -> None:
    """Its signature and its docstring are those that help() and frameworks read."""
    signature = inspect.signature(sdk.Client)
    when_made(sdk, "Client.__init__", lambda _: None)
    assert inspect.signature(sdk.Client) == signature
    assert sdk.Client.__init__.__doc__ == "Of the client."


def test_the_latest_hears_and_the_others_when_he_is_gone(sdk: Any) -> None:
    """One client is one guard's."""
    first: list[Any] = []
    second: list[Any] = []
    forget_first = when_made(sdk, "Client.__init__", first.append)
    forget_second = when_made(sdk, "Client.__init__", second.append)
    one = sdk.Client("a")
    forget_second()
    two = sdk.Client("b")
    forget_first()
    sdk.Client("c")
    assert (first, second) == ([two], [one])


def test_others_may_stand_behind_the_same_method(sdk: Any) -> None:
    """Another instrumentation that came later keeps its place when ours goes, and hears of all clients."""
    ours: list[Any] = []
    theirs: list[Any] = []
    forget = when_made(sdk, "Client.__init__", ours.append)
    before = sdk.Client.__init__

    def another(self: Any, *args: Any, **kwargs: Any) -> None:
        before(self, *args, **kwargs)
        theirs.append(self)

    sdk.Client.__init__ = another
    one = sdk.Client("a")
    forget()
    two = sdk.Client("b")
    assert sdk.Client.__init__ is another
    assert (ours, theirs) == ([one], [one, two])
    forget = when_made(sdk, "Client.__init__", ours.append)
    three = sdk.Client("c")
    forget()
    assert (ours, theirs) == ([one, three], [one, two, three])


def test_a_failing_constructor_fails_as_it_would(sdk: Any) -> None:
    """There is no client to hear of."""
    heard: list[Any] = []
    when_made(sdk, "Client.__init__", heard.append)
    with pytest.raises(TypeError):
        sdk.Client()
    assert heard == []


def test_an_unknown_method_is_an_error(sdk: Any) -> None:
    """An SDK that has changed is noticed when it is imported."""
    with pytest.raises(AttributeError):
        when_made(sdk, "NoSuchClass.__init__", lambda _: None)
    with pytest.raises(AttributeError):
        when_made(sdk, "Client.no_such_method", lambda _: None)
