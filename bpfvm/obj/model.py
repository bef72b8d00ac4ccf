"""An eBPF object as pure data: the same on every machine, with no kernel and no clock behind it.

`ObjectSpec` is what ELF files are read into, what the compiler makes, and what every machine loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bpfvm.core.machine import Entry, Location
from bpfvm.isa.insn import Insn, slots

if TYPE_CHECKING:
    from bpfvm.obj.btf.table import Btf


@dataclass(frozen=True, slots=True)
class MapSpec:
    """A map as declared. `type` is the kernel's name in lower case ("array"), sizes are bytes.

    key_type, value_type: type ids in the object's BTF, 0 where unknown.
    initial: contents at load of a data section (its one value; zero bytes for .bss and .kconfig), else None.
    hidden: made by the compiler, not by the user; not shown among an outcome's maps.
    extra, numa_node: as BPF_MAP_CREATE's map_extra and numa_node. pin: "by_name" (LIBBPF_PIN_BY_NAME) or "".
    inner: what the maps inside a map of maps look like, its name being the outer one's and ".inner", else None.
    contents: index -> name of the map (maps of maps) or the program (prog arrays) that stands there at load.
    entries: what else it holds at load, as an input's contents have it. ELF has no place for it but our own note.
    section: the ELF section that the map stands for (".rodata.str1.1") or was declared in (".maps", old "maps").
    """

    name: str
    type: str
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0
    key_type: int = 0
    value_type: int = 0
    initial: bytes | None = None
    hidden: bool = False
    extra: int = 0
    numa_node: int = 0
    pin: str = ""
    inner: MapSpec | None = None
    contents: tuple[tuple[int, str], ...] = ()
    entries: tuple[Entry, ...] = ()
    section: str = ".maps"

    @property
    def facts(self) -> dict[str, str | int]:
        """Its shape, as documents have it."""
        return {name: getattr(self, name) for name in ("name", "type", "key_size", "value_size", "max_entries")}


@dataclass(frozen=True, slots=True)
class ExternSpec:
    """A name that the object does not define and the kernel has to.

    kind: "kconfig" (a value in map .kconfig, at byte `offset`, `size` bytes), "ksym" (a kernel variable or, of type 0,
    any kernel symbol's address) or "kfunc" (a kernel function).
    type: type id in the object's BTF, of the variable's type or of the function's prototype; 0 for `extern void`.
    weak: missing is no error, and reads as 0.
    """

    name: str
    kind: str
    type: int
    weak: bool = False
    offset: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class CoreReloc:
    """One CO-RE relocation: what the instruction at `slot` asks of the running kernel's types.

    kind: enum bpf_core_relo_kind in lower case without BPF_CORE_ ("field_byte_offset", "type_exists", "enumval_value").
    type: root type id in the object's BTF. access: indexes from it, "0:1:2"; one index of an enumerator for enumval_*.
    """

    slot: int
    kind: str
    type: int
    access: str


@dataclass(frozen=True, slots=True)
class FaultSite:
    """One place in a compiled program that can take the fault exit; the record holds its index + 1."""

    kind: str  # the exception that CPython raises there
    message: str
    source: Location


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function behind a program's entry. slot: of its first instruction. is_static: checked with its callers."""

    name: str
    slot: int
    is_static: bool = False


@dataclass(frozen=True, slots=True)
class StackObject:
    """What a compiler keeps on the stack: `size` bytes at r10 + offset (below 0)."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """One program: an entry function with the functions it calls behind it in `insns`.

    type: the kernel's program type in lower case ("xdp"), "unspec" where the section's name tells none.
    section: the ELF section's name.
    What an instruction names stands in its `symbol`, and machines bind it at load: a map (`lddw_map`), a map's value
    (`lddw_map_value`, the byte offset in the upper 32 bits of imm), a function of this program (`lddw_func`, imm counts
    slots from the load's second half), an extern: a typed ksym (`lddw_btf_id`, imm 0 until resolved), a typeless one
    (`lddw`, imm 0 until resolved) or a kfunc (`call_kfunc`, imm 0 until resolved). Values of kconfig are map values.
    core: the CO-RE relocations, in slot order; the instructions hold what the object's own types say until resolved.
    lines: slot -> source place, for the first instruction of each line, in slot order.
    fault_sites: the table behind the fault record map, empty in programs that keep none.
    functions: those behind the entry, in slot order; of a file, depth first in order of first reference.
    frames: by function, what is on its stack; empty where nobody told. It does not count in comparison.
    """

    name: str
    section: str
    type: str
    insns: tuple[Insn, ...]
    lines: Mapping[int, Location] = field(default_factory=dict)
    fault_sites: tuple[FaultSite, ...] = ()
    stack: int = 0  # bytes of stack that the entry function uses, where known
    functions: tuple[FunctionSpec, ...] = ()
    core: tuple[CoreReloc, ...] = ()
    frames: Mapping[str, tuple[StackObject, ...]] = field(default_factory=dict, compare=False)

    @property
    def slot_count(self) -> int:
        """Size in 8-byte instruction units."""
        return slots(self.insns)[-1]

    @property
    def map_names(self) -> tuple[str, ...]:
        """Names of the maps that the program refers to, in order of first use."""
        named = (one.symbol for one in self.insns if one.op.name in ("lddw_map", "lddw_map_value"))
        return tuple(dict.fromkeys(name for name in named if name is not None))

    def source_of(self, slot: int) -> Location | None:
        """The source place that the instruction at `slot` came from."""
        best = None
        for start, place in self.lines.items():
            if start > slot:
                break
            best = place
        return best


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table of functions for the kernel (struct_ops): a variable of a struct that the kernel has too.

    type: id of the struct in the object's BTF. contents: its bytes, zero where a program stands. programs: byte in them
    -> name of the program. section: .struct_ops or .struct_ops.link; offset: its place there.
    """

    name: str
    type: int
    contents: bytes
    programs: tuple[tuple[int, str], ...] = ()
    section: str = ".struct_ops"
    offset: int = 0

    def holds(self, place: int) -> bool:
        """Whether byte `place` of the section is the table's."""
        return self.offset <= place < self.offset + len(self.contents)

    def with_program(self, at: int, program: str) -> TableSpec:
        """The table with `program` at byte `at`."""
        contents = self.contents[:at] + bytes(8) + self.contents[at + 8 :]
        return replace(self, contents=contents, programs=tuple(sorted((*self.programs, (at, program)))))


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """Programs and maps by name, the BTF that types them, and what the kernel asks of an object.

    sources: (file, line) -> text of that line, for the lines of programs whose text is known.
    externs: by name, what the kernel has to define. version: of the old `version` section (kernel version code), or 0.
    tables: of functions for the kernel, by name.
    skipped: what a file holds and this object does not, each with the reason; does not count in comparison.
    """

    programs: Mapping[str, ProgramSpec]
    maps: Mapping[str, MapSpec]
    btf: Btf | None = None
    license: str = "GPL"
    endian: str = "little"
    sources: Mapping[tuple[str, int], str] = field(default_factory=dict)
    externs: Mapping[str, ExternSpec] = field(default_factory=dict)
    version: int = 0
    tables: Mapping[str, TableSpec] = field(default_factory=dict)
    skipped: tuple[str, ...] = field(default=(), compare=False)

    def visible_maps(self, program: str) -> dict[str, MapSpec]:
        """Those of maps_of that users see: all but the compiler's own."""
        used = self.maps_of(program)
        return {name: one for name, one in self.maps.items() if name in used and not one.hidden}

    def maps_of(self, program: str) -> tuple[str, ...]:
        """Names of the maps that a run of `program` can meet: its own, those that stand in maps from the start, those
        of programs that do. A name that the object lacks is among them."""
        names, programs = list[str](), [program]
        for one in programs:
            waiting = list(self.programs[one].map_names) if one in self.programs else []
            for name in waiting:
                if name in names:
                    continue
                names.append(name)
                inside = [what for _, what in self.maps[name].contents] if name in self.maps else []
                if inside and self.maps[name].type == "prog_array":
                    programs += [what for what in inside if what not in programs]
                else:
                    waiting += inside
        return tuple(names)
