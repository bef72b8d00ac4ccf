"""An object's BTF in the kernel: loaded once for its maps and programs, with where functions and lines begin.

The kernel takes less than compilers write: names that an object wants from elsewhere have no place in what it loads.
They become declarations of the same number, so that every id stays.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bpfvm.kernel.host.sizes import BYTE_ORDER
from bpfvm.kernel.programs.lacks import KINDS, lacking
from bpfvm.kernel.programs.workarounds import without_kinds
from bpfvm.kernel.sys import BTF_LOAD, BtfLoad, Fd, address, bpf
from bpfvm.obj.btf import codec as btf_codec
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import EXTERN, GLOBAL, DataSec, DeclTag, Func, FuncProto, Fwd, Int, Type, Var
from bpfvm.obj.cursor import StringTable
from bpfvm.obj.model import FunctionSpec, ObjectSpec, ProgramSpec

COLUMN_BITS = 10  # struct bpf_line_info: line_col is line << 10 | column
_FUNC_INFO, _LINE_INFO = struct.Struct("=II"), struct.Struct("=IIII")
_NOT_DATA = (".ksyms",)  # sections that hold nothing which the kernel could check


@dataclass(frozen=True, slots=True)
class Records:
    """What goes beside the instructions: struct bpf_func_info and struct bpf_line_info, packed; may be empty."""

    functions: bytes = b""
    lines: bytes = b""
    btf: int = 0  # descriptor of the BTF that they refer to

    @property
    def function_size(self) -> int:
        """Bytes of one record."""
        return _FUNC_INFO.size

    @property
    def line_size(self) -> int:
        """Bytes of one record."""
        return _LINE_INFO.size


class ObjectTypes:
    """The BTF of `spec` in the kernel. fd is None where there is none, or this kernel does not take it."""

    def __init__(self, spec: ObjectSpec) -> None:
        self._spec, self._strings = spec, StringTable()
        self.fd: Fd | None = None
        if spec.btf is None or not len(spec.btf):
            return
        self._btf = acceptable(spec.btf)
        for program in spec.programs.values():
            for place in program.lines.values():
                self._strings.add(place.file)
                self._strings.add(spec.sources.get((place.file, place.line), ""))
        self.fd = _loaded(self._btf, self._strings)
        if self.fd is None:  # a kernel that does not know a kind, or none: programs and most maps work without
            lacks = lacking(*KINDS)
            self._btf = without_kinds(self._btf, lacks)
            self.fd = _loaded(self._btf, self._strings) if lacks else None

    def close(self) -> None:
        """Close the descriptor; the kernel keeps what maps and programs use."""
        if self.fd is not None:
            self.fd.close()

    @property
    def number(self) -> int:
        """The descriptor, 0 without one."""
        return self.fd.number if self.fd is not None else 0

    def records(self, program: ProgramSpec) -> Records:
        """Of `program`; lines only where every function begins with one, as the kernel wants it."""
        if self.fd is None:
            return Records()
        functions = (FunctionSpec(program.name, 0), *program.functions)
        kinds = [self._btf.find(Func, one.name) for one in functions]
        if any(kind is None for kind in kinds):
            return Records()
        starts = b"".join(_FUNC_INFO.pack(one.slot, kind or 0) for one, kind in zip(functions, kinds, strict=True))
        if any(one.slot not in program.lines for one in functions):
            return Records(starts, btf=self.number)
        return Records(starts, b"".join(self._lines(program)), self.number)

    def _lines(self, program: ProgramSpec) -> Iterator[bytes]:
        for slot, place in sorted(program.lines.items()):
            text = self._spec.sources.get((place.file, place.line), "")
            where = place.line << COLUMN_BITS | min(place.col, (1 << COLUMN_BITS) - 1)
            yield _LINE_INFO.pack(slot, self._strings.add(place.file), self._strings.add(text), where)


def _loaded(btf: Btf, strings: StringTable) -> Fd | None:
    data = btf_codec.encode(btf, strings, BYTE_ORDER)
    try:
        return Fd(bpf(BTF_LOAD, BtfLoad(btf=address(data), btf_size=len(data))))
    except OSError:
        return None


def acceptable(btf: Btf) -> Btf:
    """`btf` without what BPF_BTF_LOAD refuses, every id the same."""
    known = btf.copy()
    removed = {number for number, one in enumerate(known, 1) if _is_foreign(known, one)}
    for number, one in enumerate(list(known), 1):
        changed = _acceptable(known, one, removed)
        if changed != one:
            known.define(number, changed)
    return known


def _is_foreign(btf: Btf, one: Type) -> bool:
    """Whether a name of the kernel's is declared: a function, or a symbol without a type."""
    if isinstance(one, Func):
        return one.linkage == EXTERN
    return isinstance(one, Var) and one.linkage == EXTERN and not btf.strip(one.type)


def _acceptable(btf: Btf, one: Type, removed: set[int]) -> Type:
    if isinstance(one, Var | Func) and _is_foreign(btf, one):
        return Fwd(one.name)
    if isinstance(one, Var) and one.linkage == EXTERN:
        return replace(one, linkage=GLOBAL)
    if isinstance(one, Int) and one.is_char:
        return replace(one, is_char=False)  # gcc says "signed" and "char" of one type
    if isinstance(one, DeclTag) and one.type in removed:
        return Fwd(f"tag of {one.type}".replace(" ", "_"))
    if isinstance(one, DataSec) and (one.name in _NOT_DATA or any(place.type in removed for place in one.vars)):
        return Fwd(one.name.replace(".", "_"))
    if isinstance(one, Func):
        proto = btf[one.type]
        if isinstance(proto, FuncProto) and any(kind and not name for name, kind in proto.params):
            named = tuple((name or f"p{at}", kind) if kind else (name, kind) for at, (name, kind) in
                          enumerate(proto.params))  # fmt: skip
            btf.define(one.type, replace(proto, params=named))
    return one


def pointer(data: bytes) -> int:
    """The address of records, 0 of none."""
    return address(data) if data else 0


__all__ = ["ObjectTypes", "Records", "acceptable", "pointer"]
