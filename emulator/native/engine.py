"""LLVM IR to machine code by llvmlite, and code that is kept on disk for the next process.

Kept code is keyed by all that it depends on: the IR, the options, llvmlite's and LLVM's versions, the host's CPU.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import mmap
import os
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from bpfvm.core.errors import Unavailable

LARGE = 1500  # instructions, from which on less is optimised: LLVM's time grows faster than the program
PROT_EXEC = 4


@cache
def missing() -> str | None:
    """Why nothing can be compiled here, or None."""
    try:
        import llvmlite.binding as llvm
    except ImportError:
        return "llvmlite is not installed: pip install 'bpfvm[jit]'"
    try:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        llvm.Target.from_default_triple()
    except RuntimeError as error:
        return f"llvmlite does not know this host: {error}"
    return None if _may_execute() else "this host refuses executable memory to the process"


def _may_execute() -> bool:
    """Whether a page that was written may be made executable, as LLVM does; asked before it relies on it."""
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        word = ctypes.c_char.from_buffer(page)
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        allowed = protect(ctypes.addressof(word), mmap.PAGESIZE, mmap.PROT_READ | PROT_EXEC) == 0
        del word
    return allowed


class Compiled:
    """Machine code. It lives as long as this."""

    def __init__(self, ir: str, names: Iterable[str], size: int) -> None:
        """ir: a module; names: functions in it. size: instructions of eBPF that it was made of."""
        import llvmlite.binding as llvm

        reason = missing()
        if reason is not None:
            raise Unavailable(f"engine native: {reason}")
        self.ir = ir
        machine = _machine(size)
        key = _key(ir, size)
        code = _kept(key)
        if code is None:
            code = _compiled(ir, machine, size)
            _keep(key, code)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        self.addresses = {name: self._engine.get_function_address(name) for name in names}


def _machine(size: int) -> Any:
    import llvmlite.binding as llvm

    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(),
        opt=2 if size <= LARGE else 1, codemodel="jitdefault", jit=True,
    )  # fmt: skip


def _compiled(ir: str, machine: Any, size: int) -> bytes:
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(ir)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=2 if size <= LARGE else 1)
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


def _key(ir: str, size: int) -> str:
    import llvmlite
    import llvmlite.binding as llvm

    facts = (
        llvmlite.__version__, llvm.llvm_version_info, llvm.get_default_triple(), llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(), size <= LARGE, ir,
    )  # fmt: skip
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _folder() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if os.path.isabs(given) else Path("~/.cache").expanduser()) / "bpfvm" / "native"


def _kept(key: str) -> bytes | None:
    """The code of an earlier process; None where there is none that was written whole, by this user."""
    try:
        with open(_folder() / key, "rb") as file:
            owner, text = os.fstat(file.fileno()).st_uid, file.read()
    except (OSError, RuntimeError):
        return None
    told, code = text[:32], text[32:]
    return code if owner == os.geteuid() and hashlib.sha256(code).digest() == told else None


def _keep(key: str, code: bytes) -> None:
    """Write code for later processes; a folder that cannot be written keeps nothing."""
    with contextlib.suppress(OSError, RuntimeError):
        folder = _folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=folder)
        with os.fdopen(number, "wb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(name, folder / key)
