"""The page on the plugin interface, drawn from it: the hooks, what they return, and what that is handed."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from switchgear import _hookspecs, spi

_HEAD = """\
# The plugin interface

This page is drawn from `switchgear.spi` and the hook specifications, by `python3 dev.py docs`. It is about version
{version}. [Writing a plugin](plugins.md) says how it all goes together, and [Versions of the plugin
interface](spi-policy.md) what may change.

## Hooks

A plugin is a module that an entry point of the group `switchgear` names. It implements one of these hooks or more. Each
is pure: it returns values, does no I/O, and is called once, when the plugin is loaded.
"""

#: The classes of switchgear.spi, by what one needs them for.
CLASSES = {
    "What a backend declares": ("Backend", "Operation", "Metric", "Convention", "ClientLimits", "Instrument"),
    "What a guard works with": ("Service", "Permit", "Verdict", "State"),
    "What is recommended": ("BreakerConfig", "Backoff", "Ramp", "CountWindow", "TimeWindow", "HealthConfig"),
    "What a strategy is": ("Strategy", "Call", "Bound"),
    "Errors": ("CallNotPermitted", "CallTimedOut", "ConfigurationError", "MissingDependency"),
}
#: And what has no docstring of its own.
OTHERS = {
    "CODE": "`field(metadata=CODE)`: a field of a strategy that no configuration has a key for.",
    "Next": "What a strategy stands round: a coroutine function of a `Call`.",
    "OperationClass": "What an operation may be: `read`, `write`, `blocking`, `stream`, `admin`.",
    "SyncNext": "The same for plain functions.",
    "VERSION": "The version of this interface, as text: major.minor.",
    "hookimpl": "The decorator of a function that implements a hook.",
}


def plugin_interface() -> str:
    """The whole page."""
    parts = [_HEAD.format(version=spi.VERSION), *map(_hook, hooks().values())]
    for title, names in CLASSES.items():
        parts += [f"\n## {title}\n", *(_class(name, getattr(spi, name)) for name in names)]
    parts += ["\n## Functions\n", *map(_function, functions().values())] if functions() else []
    parts += [
        "\n## Other names\n\n| name | |\n|---|---|\n",
        *(f"| `{name}` | {what} |\n" for name, what in OTHERS.items()),
    ]
    return "".join(parts)


def hooks() -> dict[str, Any]:
    """The hook specifications by name."""
    return {name: value for name, value in vars(_hookspecs).items() if hasattr(value, "switchgear_spec")}


def functions() -> dict[str, Any]:
    """The functions of the interface by name."""
    return {name: getattr(spi, name) for name in spi.__all__ if inspect.isfunction(getattr(spi, name))}


def signature(hook: Any) -> str:
    """A hook as one implements it."""
    return f"@hookimpl\ndef {hook.__name__}{str(inspect.signature(hook)).replace(chr(39), '')}:"


def _hook(hook: Any) -> str:
    return f"\n### {hook.__name__}\n\n```python\n{signature(hook)} ...\n```\n\n{_paragraphs(hook)}\n"


def _function(function: Any) -> str:
    called = f"{function.__name__}{str(inspect.signature(function)).replace(chr(39), '')}"
    return f"\n### {function.__name__}\n\n```python\n{called}\n```\n\n{_paragraphs(function)}\n"


def _class(name: str, kind: type) -> str:
    lines = textwrap.dedent(inspect.getsource(kind)).splitlines()
    definition = next(node for node in ast.parse("\n".join(lines)).body if isinstance(node, ast.ClassDef))
    fields = [
        f"| {name} | {type_} | {default} | {what} |\n" for name, type_, default, what in _fields(definition, lines)
    ]
    methods = [f"| {signature} | {what} |\n" for signature, what in _methods(definition)]
    return "".join([
        f"\n### {name}\n\n{_paragraphs(kind)}\n",
        *(["\n| field | type | default | |\n|---|---|---|---|\n", *fields] if fields else []),
        *(["\n| method | |\n|---|---|\n", *methods] if methods else []),
    ])  # fmt: skip


def _fields(definition: ast.ClassDef, lines: list[str]) -> Iterator[tuple[str, str, str, str]]:
    for node in definition.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
                default = _code(ast.unparse(node.value)) if node.value else ""
                yield _code(name), _code(ast.unparse(node.annotation)), _made(default), _comment(node, lines)
            case ast.Assign(targets=[ast.Name(id=name)]) if name.isupper():  # a member of an enumeration
                yield _code(name), "", _code(ast.unparse(node.value)), _comment(node, lines)
            case _:
                pass


def _methods(definition: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for node in definition.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            marks = [ast.unparse(decorator) for decorator in node.decorator_list]
            arguments = re.sub(r"^(self|cls)(, /)?(, )?", "", ast.unparse(node.args))
            arguments = re.sub(r"=_[A-Z]+", "=...", arguments)
            called = node.name if "property" in marks else f"{node.name}({arguments})"
            leading = (
                "await " if isinstance(node, ast.AsyncFunctionDef) else "with " if "contextmanager" in marks else ""
            )
            said = ast.get_docstring(node)
            if said:
                yield _code(leading + called), _cell(said)


def _comment(node: ast.stmt, lines: list[str]) -> str:
    """What a field's `#:` comment says, be it behind the field or above it."""
    _, behind, text = lines[(node.end_lineno or node.lineno) - 1].partition("#: ")
    if behind:
        return _cell(text)
    above: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.strip().startswith("#:"):
            break
        above.insert(0, line.strip().removeprefix("#:").strip())
    return _cell(" ".join(above))


def _made(default: str) -> str:
    """`field(default_factory=Ramp)` makes a Ramp()."""
    return re.sub(r"field\(default_factory=(\w+)\)", r"\1()", default)


def _code(text: str) -> str:
    escaped = text.replace("|", "\\|")
    return f"`{escaped}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _paragraphs(documented: Any) -> str:
    return re.sub(r"^    (\w+): ", r"- `\1`: ", inspect.getdoc(documented) or "", flags=re.MULTILINE)
