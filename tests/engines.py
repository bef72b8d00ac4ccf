"""The emulator's engines that this machine has; why another is missing is printed."""

from __future__ import annotations

from bpfvm.run.backend import ENGINES

EMULATORS = tuple(row.name for row in ENGINES if row.name != "kernel" and row.missing() is None)

for _row in ENGINES:
    if _row.name != "kernel" and (_reason := _row.missing()) is not None:
        print(f"engine {_row.name} is not tested: {_reason}")
