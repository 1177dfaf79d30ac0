"""Run as a program by the scorecard: forks again and again while threads use one breaker, and each child uses it too.

Prints how many children found it in order. A child that finds a lock which nobody will release is killed by its alarm.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress

from switchgear import BreakerConfig, CallNotPermitted, CircuitBreaker, CountWindow, Transition

CHILDREN = 40
SECONDS = 10  # for a child, which needs a thousandth of one


class Ear:
    def __init__(self) -> None:
        self.heard = 0

    def on_transition(self, event: Transition) -> None:
        self.heard += 1


def use(breaker: CircuitBreaker) -> None:
    """Every locked way there is, with transitions for the observers."""
    with suppress(OSError, CallNotPermitted), breaker.permit():
        raise OSError("down")
    breaker.force_open("test")
    breaker.reset()
    breaker.snapshot()


def child(breaker: CircuitBreaker, ear: Ear) -> None:
    """Ends the process: 0 if the breaker works here, alone."""
    signal.alarm(SECONDS)
    try:
        use(breaker)  # delivers, too, what a thread of the parent was about to
        heard = ear.heard
        use(breaker)
        os._exit(0 if ear.heard == heard + 2 else 1)
    finally:
        os._exit(2)


def main() -> None:
    sys.setswitchinterval(1e-6)
    breaker = CircuitBreaker("b", BreakerConfig(window=CountWindow(100), minimum_number_of_calls=100))
    ear = Ear()
    breaker.subscribe(ear)
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            use(breaker)

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    good = 0
    try:
        for _ in range(CHILDREN):
            pid = os.fork()
            if pid == 0:
                child(breaker, ear)
            good += os.waitpid(pid, 0)[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    use(breaker)
    print(good, "of", CHILDREN)  # noqa: T201 - this is what it has to say


if __name__ == "__main__":
    main()
