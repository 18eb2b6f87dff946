"""Pausing Python's cycle collector while many values are made that hold no cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[None]:
    """Pause the cycle collector; reference counting goes on.

    A document of 10,000 activities is some 350,000 small values, all of them kept. The collector would walk them
    again and again and find nothing, which takes two thirds of the time. Threads may overlap: whoever found the
    collector running starts it again, so it never stays off.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
