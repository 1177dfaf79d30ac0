"""Reading a TOML file, with errors that say where."""

from __future__ import annotations

import tomllib
from os import PathLike, fspath
from pathlib import Path

from switchgear._errors import ConfigurationError
from switchgear._keypath import Table


def read_tables(path: str | PathLike[str]) -> Table:
    """The tables of a TOML file. Raises ConfigurationError for one that cannot be read."""
    name = fspath(path)
    try:
        return tomllib.loads(Path(path).read_bytes().decode("utf-8-sig"))  # Windows likes to begin with a signature
    except UnicodeDecodeError as exc:
        problem = f"This is no text in UTF-8: the byte at {exc.start} does not fit. Save it as UTF-8."
    except ValueError as exc:
        problem = f"This is no TOML: {exc}. A string needs quotes, and a table's name brackets."
    except FileNotFoundError:
        problem = f"There is no such file (looked for {str(Path(path).absolute())!r})."
    except OSError as exc:
        problem = f"The file cannot be read: {exc.strerror}."
    raise ConfigurationError.several(name, [ConfigurationError(problem)])
