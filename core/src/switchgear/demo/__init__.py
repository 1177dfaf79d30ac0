"""`switchgear demo`: a storefront on four real backends that are broken one after another, and healed.

    _command     the command: options, signals, exit codes
    _show        one run of it, from the first server to the last
    _board       four servers, and the gear that guards their clients
    _servers     which server plays which part, with second choices
    _storefront  the traffic: who needs what, and falls back on what
    _script      the faults, and when each strikes
    _ledger      what was measured
    _screen      the live view;  _summary the end of it, as tables and as JSON
    _page        the live page, for a browser

Needs the extra "demo".
"""

from __future__ import annotations
