"""The kernel's types by name: `from bpfvm.vmlinux import task_struct, sock, enum`.

They are read from BTF when a name is asked for: from the file that `load` was given, or that the environment variable
BPFVM_BTF names (another kernel's, to compile for it), or from the running kernel's own /sys/kernel/btf/vmlinux. Where
there is none, from the part of Linux 6.18's that ships with bpfvm (SHIPPED): what tracing programs mostly ask for.

    task_struct.fields          what it has, by name: offset, type, bits
    task_struct.pid.offset      hasattr(task_struct, "__state")      task_struct.sizeof
    enum.TCP_SYN_SENT           an enumerator of any enum
    has_function("vfs_read")    whether there is such a function
    new("task_struct", pid=7)   an object of one in memory, to be given to programs offline
"""

from __future__ import annotations

import difflib
import os
import sys
from functools import cached_property
from opcode import opmap
from typing import TYPE_CHECKING, Any

from bpfvm.core.errors import BpfvmError, UsageError
from bpfvm.lang.types.kernel import KernelStruct
from bpfvm.lang.types.kernel_btf import KERNEL
from bpfvm.tables import linux

if TYPE_CHECKING:
    from bpfvm.obj.btf.index import BtfIndex


class _Enumerators:
    """The enumerators of all enums, as attributes."""

    @cached_property
    def _known(self) -> dict[tuple[int, str], int]:
        return {}

    def __getattr__(self, name: str) -> int:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        types = _kernel.types
        key = (id(types), name)
        if key not in self._known:
            found = types.enumerator(name)
            if found is None:
                raise AttributeError(f"the kernel's types have no enumerator {name!r}")
            self._known[key] = found
        return self._known[key]

    def __repr__(self) -> str:
        return "<enumerators of the kernel>"


_kernel = KERNEL
SHIPPED = os.fspath(linux.TYPES)
enum: Any = _Enumerators()


def load(path: str | os.PathLike[str]) -> None:
    """Take types from the BTF in a file from now on, raw or in an ELF file. LoadError for a file that has none."""
    _kernel.path = os.fspath(path)
    try:
        _kernel.types  # noqa: B018  reads it
    except BpfvmError:
        _kernel.path = ""
        raise


def new(kind: str | KernelStruct, /, **fields: Any) -> Any:
    """An object of a struct of the kernel's in memory, zeros but for `fields`; see bpfvm.lang.traced.objects.

    It is given to programs offline as an argument, or as what another object points to. UsageError for a struct or a
    field that the types in use do not have, and for a value that does not fit.
    """
    from bpfvm.lang.traced.objects import new as made

    return made(kind, **fields)


def has_function(name: str) -> bool:
    """Whether the types in use have a function of this name, which a kprobe or fentry may then be for: names change
    from version to version. Of the types that ship with bpfvm: whether it is among the few that they have."""
    from bpfvm.obj.btf.types import Func

    return _kernel.types.find(Func, name) is not None


def types() -> BtfIndex:
    """The BTF in use."""
    return _kernel.types


def __getattr__(name: str) -> Any:
    from bpfvm.lang.types.described import of_name

    if name.startswith("__") and name.endswith("__"):
        raise AttributeError(name)
    try:
        return of_name(_kernel.types, name)
    except UsageError as error:
        near = difflib.get_close_matches(name, _kernel.types.beginning(name[:3]), 1)
        text = f"{error}; did you mean {near[0]!r}?" if near else str(error)
        text += _kernel.hint
        # After an AttributeError `from bpfvm.vmlinux import name` makes an error without its words.
        frame = sys._getframe(1)
        imported = frame.f_code.co_code[frame.f_lasti] == opmap["IMPORT_FROM"]
        raise (ImportError if imported else AttributeError)(text) from None
