"""Python functions to eBPF objects."""

if __name__ != "bpfvm.compiler":
    raise ImportError(f"import this package as 'bpfvm.compiler', not {__name__!r}")

from bpfvm.compiler.program import Compiled, compile_program, compile_programs

__all__ = ["Compiled", "compile_program", "compile_programs"]
