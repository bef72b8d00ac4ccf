"""Which object an address is in, and whether an access may go there: the words of every memory fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.core.amounts import octets
from bpfvm.core.bits import M64
from bpfvm.emulator.caller import Stop
from bpfvm.emulator.memory import Arena, Pointer, Region

if TYPE_CHECKING:
    from bpfvm.emulator.system import System


def resolve(arena: Arena, address: int) -> Pointer:
    """The pointer that a plain number is, into the smallest object there or the nearest below. Stop where none is."""
    region = arena.find(address)
    if region is None:
        what = "the null pointer" if address < 1 << 16 else "no object"
        raise Stop("access", f"access at address {address:#x}, which is {what}")
    offset = address - region.base
    return Pointer(region, offset) if region.within is None else region.within(offset)


def kernel_word(system: System, address: int, off: int, size: int) -> int | None:
    """What a load at `off` bytes from a pointer into the kernel's own memory gives: what the input says is there, and
    zeros where nothing is, as the kernel makes of a load that faults (BPF_PROBE_MEM). None for programs without such
    pointers, and where either end of the distance is at one of the emulator's own objects."""
    at = address + off & M64
    if not system.walks or system.arena.find(address) is not None or system.arena.find(at) is not None:
        return None
    data = system.given.read_user(at, size) if system.given is not None else None
    return int.from_bytes(data, "little") if data is not None else 0


def place(pointer: Pointer, off: int, size: int, write: bool) -> tuple[Region, int]:
    """The region of an access of `size` bytes at `pointer` + `off`, and the offset in it. Stop where it may not be."""
    region, at = pointer.region, pointer.offset + off
    if 0 <= at <= region.size - size and region.live and (region.writable if write else region.readable):
        return region, at
    what = "write" if write else "read"
    plus = f"{region.name}+{at}" if at >= 0 else f"{region.name}{at}"
    if not region.live:
        raise Stop("access", f"{what} of {octets(size)} at {plus}, which {region.ended}")
    if at < 0 or at + size > region.size:
        raise Stop("access", f"{what} of {octets(size)} at {plus}, {region.name} is {octets(region.size)}")
    raise Stop("access", f"{what} of {octets(size)} at {plus}, which cannot be {'written' if write else 'read'}")


def aligned(region: Region, at: int, size: int) -> None:
    """Stop for an atomic access that is not aligned."""
    if at % size:
        raise Stop("access", f"atomic access of {octets(size)} at {region.name}+{at} is not aligned")
