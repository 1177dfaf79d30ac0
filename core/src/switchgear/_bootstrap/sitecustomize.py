"""What `switchgear run` has each Python run before anything else, whichever version that is and whatever it is for.

Nothing of switchgear is imported until the application imports an SDK that it guards: most processes never do, and
those that want to patch the standard library first (gevent) still can.
"""

import _thread
import os
import sys

_finders: "list[object]" = sys.meta_path  # type: ignore[assignment]


class _Awaited:
    """Finds nothing by itself: the first SDK that is looked for sets switchgear up, which then finds it."""

    def __init__(self, modules: "frozenset[str]") -> None:
        self._modules = modules
        self._lock = _thread.RLock()  # threads may import at once

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        if name not in self._modules:
            return None
        with self._lock:
            if self in _finders:
                _finders.remove(self)
                _instrument()
        for finder in list(_finders):
            find_spec = getattr(finder, "find_spec", None)
            spec = find_spec and find_spec(name, path, target)
            if spec:
                return spec
        return None


def _instrument() -> None:
    try:
        import switchgear

        instrumentation = switchgear.instrument()
        port = os.environ.get("SWITCHGEAR_RUN_SERVE")
        if port:
            from switchgear.asgi._beside import Beside

            instrumentation.gear.subscribe(Beside(instrumentation.gear, int(port)))
    except Exception as error:  # noqa: BLE001 - the application must run, guarded or not
        text = "switchgear run: clients are not guarded in process %d (%s). %s: %s\n"
        sys.stderr.write(text % (os.getpid(), sys.executable, type(error).__name__, error))


def _restore() -> None:
    """Leave no trace on sys.path, and run the sitecustomize that would have been run without us."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    this = sys.modules.pop("sitecustomize")
    try:
        __import__("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = this


_modules = frozenset(os.environ.get("SWITCHGEAR_RUN", "").split(","))
if _modules.intersection(sys.modules):
    _instrument()
else:
    _finders.insert(0, _Awaited(_modules))
_restore()
