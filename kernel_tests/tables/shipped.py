"""Writes the types that ship with bpfvm, from the running kernel: `python -m kernel_tests.tables.shipped`."""

from __future__ import annotations

import platform

from bpfvm.lang.types.kernel_btf import RUNNING
from bpfvm.obj.btf.codec import encode
from bpfvm.obj.btf.extract import extract
from bpfvm.obj.btf.index import open_index
from bpfvm.obj.cursor import StringTable
from bpfvm.tables.linux import MACHINE, TYPES, VERSION, wanted


def is_theirs() -> bool:
    """Whether the running kernel is of the version and the machine that the types are of."""
    return platform.release().startswith(f"{VERSION}.") and platform.machine() == MACHINE


def made() -> bytes:
    """The types, of the running kernel."""
    return encode(extract(open_index(RUNNING), wanted()), StringTable(), "little")


if __name__ == "__main__":
    if not is_theirs():
        raise SystemExit(f"the types that ship are those of Linux {VERSION} on {MACHINE}")
    TYPES.write_bytes(made())
    print(f"{TYPES}: {TYPES.stat().st_size} bytes")
