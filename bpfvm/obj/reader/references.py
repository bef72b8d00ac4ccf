"""What an instruction names: the map, the map's value, the function or the extern that its relocation points to.

Relocations of code (Documentation/bpf/llvm_reloc.rst): R_BPF_64_64 on a wide load, its addend in the load's imm; and
R_BPF_64_32 on a call, whose imm counts slots from the symbol, less one. LLVM before 4 numbered the latter 2.
"""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.core.bits import M32, signed
from bpfvm.core.errors import LoadError
from bpfvm.isa.codec import SLOT
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import BY_NAME, Kind, Op
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.elf.container import EXEC, R_64_32, R_64_64, R_64_ABS64, UNDEFINED, Elf, Relocation
from bpfvm.obj.elf.datasec import KCONFIG
from bpfvm.obj.elf.externs import undeclared
from bpfvm.obj.elf.link import Place
from bpfvm.obj.model import ExternSpec
from bpfvm.obj.reader.maps import MapTable

_CALLS, _CALL_TYPES = ("call_local", "call"), (R_64_32, R_64_ABS64)
_LOADS = ("lddw", "lddw_map", "lddw_map_value")  # the last two: where an assembler was told the selector
_MAP, _VALUE, _BTF_ID, _FUNC = (BY_NAME[name] for name in ("lddw_map", "lddw_map_value", "lddw_btf_id", "lddw_func"))
_LDDW, _LOCAL, _KFUNC = (BY_NAME[name] for name in ("lddw", "call_local", "call_kfunc"))
_MAPS = frozenset({".maps", "maps"})


class Binder:
    """Binds the instructions of one file."""

    def __init__(self, file: Elf, btf: Btf | None, maps: MapTable, externs: Mapping[str, ExternSpec]) -> None:
        self._file, self._btf, self._maps, self._externs = file, btf, maps, externs

    def bound(self, one: Insn, place: Place, relocation: Relocation | None) -> tuple[Insn, Place | None]:
        """`one`, which stands at `place`, with what it names, and the place of the function that it names, if any.

        LoadError, without the instruction's number, where it needs a relocation and has none, or has another.
        """
        if relocation is None:
            if one.op.name == "call_local":
                return one, (place[0], place[1] + 1 + one.imm)
            if (one.op.kind is Kind.IMM64 and one.op.name != "lddw") or one.op.name == "call_kfunc":
                raise LoadError("names something by number and has no relocation")
            return one, None
        if one.op.name in _CALLS and relocation.type in _CALL_TYPES:
            return self._call(one, relocation)
        if one.op.name in _LOADS and relocation.type == R_64_64:
            return self._load(one, relocation)
        raise LoadError(f"has {relocation.type_name} to {self._name(relocation)}")

    def _call(self, one: Insn, relocation: Relocation) -> tuple[Insn, Place | None]:
        symbol = relocation.symbol
        if symbol.section == UNDEFINED:
            extern = self._extern(symbol.name)
            if extern.kind != "kfunc":
                raise LoadError(f"calls the extern symbol {symbol.name}, which is a variable")
            return _named(one, _KFUNC, 0, symbol.name), None
        if not self._is_code(symbol.section):
            raise LoadError(f"calls {self._name(relocation)} in {self._file.place_name(symbol)}, which is no code")
        offset = relocation.explicit
        if offset is None:
            offset = (relocation.addend(one.imm) + 1) * SLOT
        target, rest = divmod(symbol.value + offset, SLOT)
        if rest:
            raise LoadError(f"calls {self._name(relocation)} {offset:+#x}, where no instruction starts")
        return _named(one, _LOCAL, 0, symbol.name), (symbol.section, target)

    def _load(self, one: Insn, relocation: Relocation) -> tuple[Insn, Place | None]:
        symbol = relocation.symbol
        if one.imm >> 32:
            raise LoadError(f"refers to {self._name(relocation)}, and the upper half of imm is {one.imm >> 32}, not 0")
        addend = relocation.addend(signed(one.imm, 32))
        if symbol.section == UNDEFINED:
            return self._load_extern(one, symbol.name, addend), None
        offset = symbol.value + addend
        name = self._maps.name_at(symbol.section, offset)
        if name is not None:
            return _named(one, _MAP, 0, name), None
        data = self._maps.data.get(symbol.section)
        if data is not None:
            return _named(one, _VALUE, (offset & M32) << 32, data.name), None
        if self._is_code(symbol.section) and offset % SLOT == 0:
            return _named(one, _FUNC, 0, symbol.name), (symbol.section, offset // SLOT)
        raise LoadError(self._no_target(relocation, addend))

    def _no_target(self, relocation: Relocation, addend: int) -> str:
        name, where = self._name(relocation), self._file.place_name(relocation.symbol)
        named = f"refers to {name} + {addend:#x}" if addend else f"refers to {name}"
        if where.removeprefix("section ").partition("/")[0] in _MAPS:
            return f"{named}, where no map is declared"
        if self._is_code(relocation.symbol.section):
            return f"{named}, where no instruction starts"
        return f"{named} in {where}, which holds no map, data or code that programs can name"

    def _load_extern(self, one: Insn, name: str, addend: int) -> Insn:
        extern = self._extern(name)
        if extern.kind == "kconfig":
            return _named(one, _VALUE, (extern.offset + addend & M32) << 32, KCONFIG)
        if addend:
            raise LoadError(f"refers to {name} + {addend:#x}, and only the start of an extern symbol has an address")
        return _named(one, _BTF_ID if extern.type else _LDDW, 0, name)

    def _extern(self, name: str) -> ExternSpec:
        extern = self._externs.get(name)
        if extern is None:
            raise LoadError(undeclared(name, self._btf))
        return extern

    def _is_code(self, section: int) -> bool:
        return 0 < section < len(self._file.sections) and bool(self._file.sections[section].flags & EXEC)

    def _name(self, relocation: Relocation) -> str:
        symbol = relocation.symbol
        if symbol.name or not 0 < symbol.section < len(self._file.sections):
            return symbol.name or "nothing"
        return self._file.sections[symbol.section].name


def _named(one: Insn, op: Op, imm: int, symbol: str) -> Insn:
    return Insn(op, one.dst, op.src_is or 0, 0, imm, symbol, one.source)
