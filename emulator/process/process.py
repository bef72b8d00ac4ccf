"""A program of the host run under emulation, stopped wherever one of its functions begins or returns.

What a uprobe or uretprobe would see there is a Hit: the registers as the kernel's `struct pt_regs` (x86-64), and the
memory behind them. The process is deterministic: its clock, random bytes, process id and addresses are always the same,
and nothing of the host is changed.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bpfvm.core.errors import LoadError, Unavailable
from bpfvm.emulator.executable import REFUSED, may_execute
from bpfvm.emulator.process.image import Image, read_image
from bpfvm.emulator.process.memory import PAGE, Memory
from bpfvm.emulator.process.syscalls import Exit, Syscalls

PROGRAM, LINKER, MAPPINGS = 0x5555_5555_4000, 0x7F00_0000_0000, 0x7F10_0000_0000  # where things are put
STACK, STACK_SIZE = 0x7FFF_FFFF_0000, 1 << 23
TRAMPOLINE = 0x10_0000  # what functions return to that are watched for their return
BLOCKS = 50_000_000  # basic blocks between two hits, and no more; about a minute

# struct pt_regs, by the names of tables.ctx; orig_ax is -1 where no system call was made
_NAMES = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi - rip cs eflags rsp ss"
_ORDER = tuple(_NAMES.split())
_USER_CS, _USER_SS, _NO_CALL = 0x33, 0x2B, (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Hit:
    """One arrival. registers: struct pt_regs, 168 bytes. memory: of the process as it stands now."""

    registers: bytes
    memory: Memory


class Process:
    """One run of a program. Raises LoadError for a file that is no x86-64 program, Unavailable without Unicorn."""

    def __init__(self, path: str, arguments: Sequence[str] = ()) -> None:
        try:
            unicorn: Any = importlib.import_module("unicorn")
            x86_const: Any = importlib.import_module("unicorn.x86_const")
        except ImportError:
            raise Unavailable("running a process takes Unicorn: pip install 'bpfvm[uprobes]'") from None
        if not may_execute():  # Unicorn ends the process where it finds out itself
            raise Unavailable(f"running a process: {REFUSED}")
        self._unicorn, self._names = unicorn, x86_const
        self._machine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        self.memory = Memory(self._machine)
        self.image = read_image(path)
        if not self.image.interpreter and not self.image.fixed and not self.image.entry:
            raise LoadError(f"{path}: is a library; name a program that calls it")
        self._base, end = self._map(self.image, PROGRAM)
        entry, linker = self._base + self.image.entry, 0
        if self.image.interpreter:
            image = read_image(self.image.interpreter)
            linker, _ = self._map(image, LINKER)
            entry = linker + image.entry
        self.calls = Syscalls(self.memory, end, MAPPINGS, self._set_fs)
        self._at = entry
        self._stop, self._blocks = "", 0
        self._passing: int | None = None  # the function that was stopped at, and is gone on from
        self._error: Exception | None = None
        self._start_stack([path, *arguments], linker)
        self._machine.hook_add(unicorn.UC_HOOK_BLOCK, self._block)
        self._machine.hook_add(unicorn.UC_HOOK_INSN, self._syscall, None, 1, 0, x86_const.UC_X86_INS_SYSCALL)

    @property
    def status(self) -> int | None:
        """What the process ended with, None before its end."""
        return self.calls.status

    def hits(self, function: str, at_return: bool = False) -> Iterator[Hit]:
        """Each time that `function` is entered, or has returned. LoadError for a function that the file lacks,
        Unavailable for a process that crashes or takes too long, which also says what it asked for in vain.
        """
        address = self._base + self.image.function(function)
        back: list[int] = []  # where calls that are watched will return to, innermost last
        self._watch(address)
        if at_return:
            self.memory.map(TRAMPOLINE, PAGE)
            self._watch(TRAMPOLINE)
        while self._go(function):
            if not at_return:
                yield self._hit(self._at)
            elif self._at == address:
                back.append(self._swap_return(TRAMPOLINE))
            else:
                self._at = back.pop()
                self._passing = None
                yield self._hit(self._at)

    def _go(self, function: str) -> bool:
        """Run to the next stop; False at the end of the process."""
        self._stop, self._blocks = "", 0
        try:
            self._machine.emu_start(self._at, 0)
        except self._unicorn.UcError as error:
            self._failed(function, str(error))
        self._at = self._register("rip")
        if self._error is not None:
            raise self._error
        if self._stop == "late":
            raise Unavailable(f"{self.image.path}: ran {BLOCKS} basic blocks without another call of {function}")
        return self._stop == "watched"

    def _block(self, machine: Any, address: int, size: int, data: object) -> None:
        """Counts, because Unicorn's own timer now and then never ends; and lets Python see signals."""
        self._blocks += 1
        if self._blocks > BLOCKS:
            self._stop = "late"
            machine.emu_stop()

    def _failed(self, function: str, why: str) -> None:
        unknown = ", ".join(str(one) for one in self.calls.unknown) or "none"
        raise Unavailable(
            f"{self.image.path}: crashed at {self._register('rip'):#x} while waiting for {function}: {why}; "
            f"system calls that are not emulated and were made: {unknown}"
        )

    def _watch(self, address: int) -> None:
        self._machine.hook_add(self._unicorn.UC_HOOK_CODE, self._arrived, None, address, address)

    def _arrived(self, machine: Any, address: int, size: int, data: object) -> None:
        if self._passing == address:
            self._passing = None
            return
        self._passing, self._stop = address, "watched"
        machine.emu_stop()

    def _syscall(self, machine: Any, data: object) -> None:
        number, *given = (self._register(one) for one in ("rax", "rdi", "rsi", "rdx", "r10", "r8", "r9"))
        try:
            self._set("rax", self.calls.call(number, given) & (1 << 64) - 1)
        except Exit:
            self._stop = "ended"
            machine.emu_stop()
        except Exception as error:  # an exception cannot cross the emulator's C frames
            self._error = error
            machine.emu_stop()

    def _hit(self, at: int) -> Hit:
        fixed = {"-": _NO_CALL, "cs": _USER_CS, "ss": _USER_SS, "rip": at}
        values = (fixed[one] if one in fixed else self._register(one) for one in _ORDER)
        return Hit(struct.pack("<21Q", *values), self.memory)

    def _swap_return(self, target: int) -> int:
        """Make the function that was just entered return to `target`: where it would have returned."""
        stack = self._register("rsp")
        (home,) = self.memory.words(stack, 1)
        self.memory.write(stack, struct.pack("<Q", target))
        return home

    def _map(self, image: Image, base: int) -> tuple[int, int]:
        """Put a file's segments into memory: where it begins, and the page behind its end."""
        base = 0 if image.fixed else base
        for one in image.segments:
            self.memory.map(base + one.address, one.size)
            self.memory.write(base + one.address, one.data)
        end = max(base + one.address + one.size for one in image.segments)
        return base, -(-end // PAGE) * PAGE

    def _start_stack(self, arguments: list[str], linker: int) -> None:
        """Arguments, environment and auxiliary vector (AT_… of elf.h), as the kernel lays them out."""
        self.memory.map(STACK - STACK_SIZE, STACK_SIZE)
        top = STACK - 64
        places = []
        words = [one.encode("utf-8", "surrogateescape") + b"\0" for one in arguments]
        for text in (bytes(range(16)), b"x86_64\0", b"LANG=C\0", *words):
            top -= len(text)
            if top < STACK - STACK_SIZE // 4:
                raise LoadError("the arguments are longer than the stack of the process holds")
            self.memory.write(top, text)
            places.append(top)
        chance, platform, environment, *given = places
        headers, count = self.image.headers
        auxiliary = {
            3: self._base + headers, 4: 56, 5: count, 6: PAGE, 7: linker, 9: self._base + self.image.entry, 11: 0,
            12: 0, 13: 0, 14: 0, 15: platform, 16: 0x078B_FBFF, 17: 100, 23: 0, 25: chance, 31: given[0], 0: 0,
        }  # fmt: skip
        vector = [len(given), *given, 0, environment, 0, *(one for pair in auxiliary.items() for one in pair)]
        top = (top - 8 * len(vector)) & ~15
        self.memory.write(top, struct.pack(f"<{len(vector)}Q", *vector))
        self._set("rsp", top)

    def _register(self, name: str) -> int:
        return int(self._machine.reg_read(getattr(self._names, f"UC_X86_REG_{name.upper()}")))

    def _set(self, name: str, value: int) -> None:
        self._machine.reg_write(getattr(self._names, f"UC_X86_REG_{name.upper()}"), value)

    def _set_fs(self, value: int) -> None:
        self._set("fs_base", value)
