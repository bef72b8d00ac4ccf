"""The native tier's code compiled for aarch64 and run under Unicorn, in place of the host's.

Memory that code and Python share has the same addresses in both: the host's pages are mapped there. What code calls of
Python, and of libc, leads to a page of addresses at which the emulation stops, and Python goes on.
"""

from __future__ import annotations

import ctypes
import importlib
import io
import mmap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from bpfvm.emulator.memory import GUARD
from bpfvm.emulator.native.code import engine
from bpfvm.emulator.native.runtime import Runtime
from bpfvm.emulator.native.state import CALLBACKS

unicorn: Any = importlib.import_module("unicorn")  # annotated in parts
arm: Any = importlib.import_module("unicorn.arm64_const")

ROOM = 1 << 20  # bytes of each part
# The processor's own memory stands where the process has set addresses aside, within reach of a call of each other: a
# fixed place may be where the heap of the process lies, whose pages are mapped at their own addresses.
RESERVED = mmap.mmap(-1, 4 * ROOM)
CODE = (ctypes.addressof(ctypes.c_char.from_buffer(RESERVED)) + mmap.PAGESIZE - 1) & -mmap.PAGESIZE
STOPS, STACK = CODE + ROOM, CODE + 2 * ROOM
LIBC = ("memcpy", "memmove", "memset", "sched_yield")
# Relocations: ELF for the Arm 64-bit Architecture
CALL26, JUMP26, PAGE21, LOW12, LOW12_64, PREL32 = 283, 282, 275, 277, 286, 261
REGISTERS = [getattr(arm, f"UC_ARM64_REG_X{number}") for number in range(8)]


def compiled(ir: str) -> bytes:
    """The object file of a module."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple("aarch64-unknown-linux-gnu")
    machine = target.create_target_machine(opt=1, reloc="static", codemodel="small")
    module = llvm.parse_assembly(ir)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=0)
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.run(module, llvm.create_pass_builder(machine, tuning))
    return bytes(machine.emit_object(module))


class Image:
    """A linked object. symbols: addresses of what it defines."""

    def __init__(self, data: bytes) -> None:
        elf = ELFFile(io.BytesIO(data))
        self.memory, self.symbols = bytearray(), dict[str, int]()
        places: dict[int, int] = {}
        for number, section in enumerate(elf.iter_sections()):
            if section["sh_flags"] & 2 and section["sh_size"]:  # SHF_ALLOC
                self.memory += bytes(-len(self.memory) % max(section["sh_addralign"], 1))
                places[number] = len(self.memory)
                self.memory += section.data() if section["sh_type"] != "SHT_NOBITS" else bytes(section["sh_size"])
        table: Any = elf.get_section_by_name(".symtab")
        for one in table.iter_symbols():
            if one.name and one["st_shndx"] in places:
                self.symbols[one.name] = CODE + places[one["st_shndx"]] + one["st_value"]
        for section in elf.iter_sections():
            if isinstance(section, RelocationSection) and section["sh_info"] in places:
                for one in section.iter_relocations():
                    symbol = table.get_symbol(one["r_info_sym"])
                    inside = symbol["st_shndx"] in places
                    goal = CODE + places[symbol["st_shndx"]] + symbol["st_value"] if inside else stop_of(symbol.name)
                    self._relocate(
                        places[section["sh_info"]] + one["r_offset"], one["r_info_type"], goal + one["r_addend"]
                    )

    def _relocate(self, at: int, kind: int, goal: int) -> None:
        word = int.from_bytes(self.memory[at : at + 4], "little")
        here = CODE + at
        if kind in (CALL26, JUMP26):
            word |= (goal - here) >> 2 & 0x3FF_FFFF
        elif kind == PAGE21:
            pages = (goal >> 12) - (here >> 12)
            word |= (pages & 3) << 29 | (pages >> 2 & 0x7_FFFF) << 5
        elif kind in (LOW12, LOW12_64, 278, 284, 285, 299):
            shift = {LOW12: 0, 278: 0, 284: 1, 285: 2, LOW12_64: 3, 299: 4}[kind]
            word |= (goal & 0xFFF) >> shift << 10
        elif kind == PREL32:
            word = goal - here & 0xFFFF_FFFF
        else:
            raise AssertionError(f"relocation {kind} is not known here")
        self.memory[at : at + 4] = word.to_bytes(4, "little")


def stop_of(name: str) -> int:
    """The address at which a function of libc, or of Python, stops the emulation."""
    names = [*LIBC, *CALLBACKS, "end"]
    return STOPS + 16 * names.index(name)


class Arm:
    """engine.Compiled for aarch64."""

    def __init__(self, ir: str, names: Iterable[str], level: str) -> None:
        image = Image(compiled(ir))
        self.addresses = {name: image.symbols[name] for name in names}
        self.memory = bytes(image.memory)


class Processor:
    """One emulated processor over the memory of a tier."""

    def __init__(self, tier: Runtime, code: Arm) -> None:
        self._tier = tier
        self._machine = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        for base in (CODE, STACK, STOPS):
            self._machine.mem_map(base, ROOM)
        self._machine.mem_write(CODE, code.memory)
        self._top = STACK + ROOM - 256
        arena = tier.system.arena
        shared = [(tier.state.base - GUARD, arena.size + 2 * GUARD)]
        kept: list[Any] = [tier._words, tier._table, *tier._poison]
        shared += [(ctypes.addressof(one), ctypes.sizeof(one)) for one in kept]
        for start, end in _pages(shared):
            self._machine.mem_map_ptr(start, end - start, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE, start)
        self._machine.hook_add(unicorn.UC_HOOK_CODE, lambda uc, *_: uc.emu_stop(), begin=STOPS, end=STOPS + ROOM)
        for name in CALLBACKS:
            setattr(tier.state, name, stop_of(name))

    def run(self, address: int, *words: int) -> int:
        """Call a function: what it returns."""
        uc, mask = self._machine, (1 << 64) - 1
        saved, top = uc.context_save(), self._top
        for register, word in zip(REGISTERS, words, strict=False):
            uc.reg_write(register, word & mask)
        uc.reg_write(arm.UC_ARM64_REG_SP, top)
        uc.reg_write(arm.UC_ARM64_REG_LR, stop_of("end"))
        at = address
        while True:
            uc.emu_start(at, STOPS + ROOM - 4)
            place = uc.reg_read(arm.UC_ARM64_REG_PC)
            if place == stop_of("end"):
                break
            at = uc.reg_read(arm.UC_ARM64_REG_LR)
            given = [uc.reg_read(register) for register in REGISTERS]
            self._top = uc.reg_read(arm.UC_ARM64_REG_SP) - 256 & ~15
            uc.reg_write(REGISTERS[0], self._called(place, given) & mask)
        found = int(uc.reg_read(REGISTERS[0]))
        uc.context_restore(saved)
        self._top = top
        return found

    def _called(self, place: int, given: Sequence[int]) -> int:
        name = [*LIBC, *CALLBACKS][(place - STOPS) // 16]
        if name in ("memcpy", "memmove"):
            return int(ctypes.memmove(given[0], given[1], given[2]) or given[0])
        if name == "memset":
            return int(ctypes.memset(given[0], given[1], given[2]) or given[0])
        if name == "sched_yield":
            return 0
        call: Callable[..., int] = self._tier._guarded(getattr(self._tier, f"_on_{name}"))
        saved = self._machine.context_save()
        result = call(*given[: CALLBACKS[name] + 1])
        self._machine.context_restore(saved)
        return result


def _pages(shared: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Whole pages that hold these pieces of memory, none twice."""
    found: list[tuple[int, int]] = []
    for start, size in sorted(shared):
        first, end = start & -mmap.PAGESIZE, start + size + mmap.PAGESIZE - 1 & -mmap.PAGESIZE
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((first, end))
    return found


def install(monkeypatch: Any) -> None:
    """Let all tiers that are made from now on run code for aarch64."""

    def compiled(built: Any, level: str) -> None:
        built._compiled = Arm(built.module.text, built.module.names, level)
        built._functions = dict.fromkeys(built.module.entries)

    right = Runtime.built

    def made(tier: Runtime, code: Any, given: tuple[int, ...]) -> Any:
        found: Any = right(tier, code, given)
        if found is not None and None in found.functions.values():
            processor = Processor(tier, found._compiled)
            found._functions = {
                slot: _entry(processor, found._compiled.addresses[f"run{slot}"]) for slot in found.module.entries
            }
        return found

    monkeypatch.setattr("bpfvm.emulator.native.runtime.Compiled", Arm)
    monkeypatch.setattr("bpfvm.emulator.native.runtime.Built._compile", compiled)
    monkeypatch.setattr(Runtime, "built", made)
    monkeypatch.setattr("bpfvm.emulator.native.runtime.HOT", 1 << 62)
    assert engine.missing() is None


def _entry(processor: Processor, address: int) -> Callable[..., int]:
    return lambda *words: processor.run(address, *words)
