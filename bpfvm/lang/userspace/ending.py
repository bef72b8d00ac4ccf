"""How tools end: Ctrl-C and SIGTERM end what waits, so that what was gathered is still shown.

While something waits, the first of these signals makes it end as if there were no more; the next acts as it did before.
Outside of the main thread signals stay as they are.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Ending:
    """A `with` around waiting. asked: whether a signal came."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Ending:
        if threading.current_thread() is threading.main_thread():
            for one in _SIGNALS:
                before = signal.getsignal(one)
                if before is not signal.SIG_IGN and before is not None:
                    self._before[one] = signal.signal(one, self._told)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._restore()

    def _told(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self._restore()

    def _restore(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for one, before in self._before.items():
                signal.signal(one, before)
            self._before.clear()
