"""The command line, `switchgear COMMAND`: needs the extra "cli".

Exit codes: 0 all is well, 1 what was looked at is not, 2 it could not be done (one paragraph on standard error says
why), 3 it is unhealthy and not only degraded, 130 interrupted.
"""

from __future__ import annotations

import sys
from typing import NoReturn

_NEEDS = {"click", "msgspec", "rich"}


def main() -> NoReturn:
    """Run the command that the arguments of the process name, and exit."""
    try:
        sys.exit(_run())
    except KeyboardInterrupt:
        sys.exit(130)


def _run() -> int:
    try:
        import click

        from switchgear.cli._app import app

        try:
            code = app.main(prog_name="switchgear", standalone_mode=False)  # a command is loaded when it is run
        except click.ClickException as exc:
            exc.show()
            return exc.exit_code
        except click.Abort:  # what click makes of Ctrl-C
            return 130
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] not in _NEEDS:
            raise
        from switchgear._errors import MissingDependency

        sys.stderr.write(f"Error: {MissingDependency('The command line', install='switchgear[cli]')}\n")
        return 2
    return code if isinstance(code, int) else 0
