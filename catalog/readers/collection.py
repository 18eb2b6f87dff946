"""Pausing Python's cyclic garbage collector while a large dataset is read.

Reading makes some hundred thousand objects that all stay; the collector would walk through them again and
again (nearly half of the time), and find nothing, since none of them refer to each other in circles.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_pauses = 0


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the collector; it goes on when the last of several threads that paused it is done."""
    global _pauses
    with _lock:
        if _pauses == 0 and not gc.isenabled():
            paused = False  # somebody else has switched it off, and will switch it on
        else:
            paused = True
            _pauses += 1
            gc.disable()
    try:
        yield
    finally:
        if paused:
            with _lock:
                _pauses -= 1
                if _pauses == 0:
                    gc.enable()
