"""LLVM IR to machine code by llvmlite, and code that is kept on disk for the next process.

Kept code is keyed by all that it depends on: the IR, the options, llvmlite's and LLVM's versions, the host's CPU.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bpfvm.core.errors import Unavailable
from bpfvm.emulator.executable import REFUSED, may_execute
from bpfvm.obj.btf import cache as btf_cache

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
        import llvmlite.binding as llvm
    except ImportError:
        return "llvmlite is not installed: pip install 'bpfvm[jit]'"
    try:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        llvm.Target.from_default_triple()
    except RuntimeError as error:
        return f"llvmlite does not know this host: {error}"
    return None if may_execute() else REFUSED


class Compiled:
    """Machine code. It lives as long as this."""

    def __init__(self, ir: str, names: Iterable[str], level: Level) -> None:
        """ir: a module; names: functions in it; level: how much is optimised."""
        import llvmlite.binding as llvm

        reason = missing()
        if reason is not None:
            raise Unavailable(f"engine native: {reason}")
        machine = _machine(level)
        code = _code(ir, machine, level)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        self.addresses = {name: self._engine.get_function_address(name) for name in names}


def level(size: int) -> Level:
    """How much is optimised of a program of so many instructions that runs often."""
    return FULL if size <= LARGE else SOME


@cache
def _cpu() -> tuple[str, str]:
    """The host's, by name and by what it can do."""
    import llvmlite.binding as llvm

    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _machine(level: Level) -> Any:
    import llvmlite.binding as llvm

    cpu, features = _cpu()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=cpu, features=features, opt=level.optimises, codemodel="jitdefault", jit=True
    )


def _code(ir: str, machine: Any, level: Level) -> bytes:
    """The object file; what took long to make is kept."""
    if not level.kept:
        return _compiled(ir, machine, level)
    key = _key(ir, level)
    code = _kept(key)
    if code is None:
        code = _compiled(ir, machine, level)
        _keep(key, code)
    return code


def _compiled(ir: str, machine: Any, level: Level) -> bytes:
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(ir)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=2 if level.optimises == 2 else 0)
    tuning.loop_vectorization = tuning.slp_vectorization = False  # time for no gain here
    tuning.loop_unrolling = level.optimises == 2
    builder = llvm.create_pass_builder(machine, tuning)
    if level.optimises == 2:
        passes = builder.getModulePassManager()
    else:
        passes = llvm.create_new_module_pass_manager()
        passes.add_sroa_pass()
        if level.optimises:
            passes.add_instruction_combine_pass()
            passes.add_simplify_cfg_pass()
    passes.run(module, builder)
    return bytes(machine.emit_object(module))


def _key(ir: str, level: Level) -> str:
    import llvmlite
    import llvmlite.binding as llvm

    facts = (
        llvmlite.__version__, llvm.llvm_version_info, llvm.get_default_triple(), *_cpu(),
        level.optimises, ir,
    )  # fmt: skip
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _folder() -> Path:
    return btf_cache.folder() / "native"


def _kept(key: str) -> bytes | None:
    """The code of an earlier process; None where there is none that was written whole, by this user."""
    try:
        with open(_folder() / key, "rb") as file:
            owner, text = os.fstat(file.fileno()).st_uid, file.read()
    except OSError:
        return None
    told, code = text[:32], text[32:]
    return code if owner == os.geteuid() and hashlib.sha256(code).digest() == told else None


def _keep(key: str, code: bytes) -> None:
    """Write code for later processes; a folder that cannot be written keeps nothing."""
    with contextlib.suppress(OSError):
        folder = _folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=folder)
        with os.fdopen(number, "wb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(name, folder / key)
