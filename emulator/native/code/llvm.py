"""What is asked of LLVM, through llvmlite: what host this is, machine code from IR, addresses in it.

Importing this loads the library: who finds what was kept does not. ImportError where llvmlite is missing.
"""

from __future__ import annotations

from typing import Any

import llvmlite
import llvmlite.binding as llvm


def host() -> list[str]:
    """All that code made here depends on: versions, triple, the CPU's name and what it can do. RuntimeError where
    it does not know the host."""
    _begin()
    version = ".".join(map(str, llvm.llvm_version_info))
    triple, cpu, features = llvm.get_default_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    return [llvmlite.__version__, version, triple, cpu, features]


def compiled(ir: str, optimises: int) -> bytes:
    """The object file of a module of IR. optimises: from 0 to 2."""
    machine = _machine(optimises)
    module = llvm.parse_assembly(ir)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=2 if optimises == 2 else 0)
    tuning.loop_vectorization = tuning.slp_vectorization = False  # time for no gain here
    tuning.loop_unrolling = optimises == 2
    builder = llvm.create_pass_builder(machine, tuning)
    if optimises == 2:
        passes = builder.getModulePassManager()
    else:
        passes = llvm.create_new_module_pass_manager()
        passes.add_sroa_pass()
        if optimises:
            passes.add_instruction_combine_pass()
            passes.add_simplify_cfg_pass()
    passes.run(module, builder)
    return bytes(machine.emit_object(module))


def linked(code: bytes) -> Any:
    """An engine that holds the code of an object file, and tells its addresses."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(0))
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def _begin() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _machine(optimises: int) -> Any:
    _begin()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=cpu, features=features, opt=optimises, codemodel="jitdefault", jit=True
    )
