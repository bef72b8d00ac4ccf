"""LLVM IR to machine code by llvmlite, and code that is kept on disk for the next process.

Kept code is keyed by all that it depends on: the IR, the options, llvmlite's and LLVM's versions, the host's CPU. Code
that is found is run without LLVM (`image`); on hosts other than x86-64 LLVM links it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from bpfvm.core.errors import Unavailable
from bpfvm.emulator.executable import REFUSED, may_execute
from bpfvm.emulator.native.code.host import host
from bpfvm.emulator.native.code.image import Image, Loaded
from bpfvm.obj import kept

ELF, SUM = b"\x7fELF", 32  # how an object file begins; bytes of a digest
LARGE = 1500  # instructions, from which on less is optimised: LLVM's time grows faster than the program


@dataclass(frozen=True, slots=True)
class Level:
    """How much is optimised, from 0 to 2. kept: whether the code is kept on disk, for processes that ask again."""

    optimises: int
    kept: bool = True


QUICK = Level(0, kept=False)  # a few ms, for code that may run once
SOME, FULL = Level(1), Level(2)  # some tens of ms, for code that runs often
ONCE = Level(2, kept=False)  # as FULL, for code that nobody asks for again


@cache
def missing() -> str | None:
    """Why nothing can be compiled here, or None."""
    try:
        host()
    except ImportError:
        return "llvmlite is not installed: pip install 'bpfvm[jit]'"
    except RuntimeError as error:
        return f"llvmlite does not know this host: {error}"
    return None if may_execute() else REFUSED


class Compiled:
    """Machine code. It lives as long as this."""

    def __init__(self, ir: str, names: Iterable[str], level: Level) -> None:
        """ir: a module; names: functions in it; level: how much is optimised."""
        reason = missing()
        if reason is not None:
            raise Unavailable(f"engine native: {reason}")
        code = _code(ir, level)
        if code.startswith(ELF):
            from bpfvm.emulator.native.code import llvm

            self._linked = llvm.linked(code)
            self.addresses = {name: self._linked.get_function_address(name) for name in names}
        else:
            self._loaded = Loaded(Image.kept(code))
            self.addresses = {name: self._loaded.addresses[name] for name in names}


def level(size: int) -> Level:
    """How much is optimised of a program of so many instructions that runs often."""
    return FULL if size <= LARGE else SOME


def _code(ir: str, level: Level) -> bytes:
    """An image, or an object file where it cannot be one; what took long to make is kept."""
    if not level.kept:
        return _made(ir, level)
    facts = (*host(), level.optimises, ir)
    path = kept.folder() / "native" / hashlib.sha256(repr(facts).encode()).hexdigest()
    data = kept.read(path) or b""
    told, code = data[:SUM], data[SUM:]
    if hashlib.sha256(code).digest() != told:  # missing, or not whole
        code = _made(ir, level)
        kept.write(path, hashlib.sha256(code).digest() + code)
    return code


def _made(ir: str, level: Level) -> bytes:
    from bpfvm.emulator.native.code import llvm, objects

    code = llvm.compiled(ir, level.optimises)
    found = objects.image(code)
    return code if found is None else bytes(found)
