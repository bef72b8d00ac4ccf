"""ObjectSpec into an ELF object that llvm-objdump, bpftool, libbpf and our reader take.

Reading the file back gives `complete.completed(spec)`: the spec, its BTF grown by the declarations that loaders want.
"""

from __future__ import annotations

from collections.abc import Sequence

from bpfvm.core.errors import LoadError
from bpfvm.obj.btf import codec as btf_codec
from bpfvm.obj.btf import ext as btf_ext
from bpfvm.obj.cursor import StringTable, one_line
from bpfvm.obj.elf import container as elf
from bpfvm.obj.elf import note
from bpfvm.obj.elf.build import NewSection, NewSymbol, build
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.writer.code import CodeSections
from bpfvm.obj.writer.complete import completed
from bpfvm.obj.writer.data import DataSections
from bpfvm.obj.writer.unlink import unlink


def write_object(spec: ObjectSpec) -> bytes:
    """The ELF file of `spec`. LoadError, one line, for what an ELF object for BPF cannot say."""
    try:
        for one in spec.tables.values():
            raise LoadError(f"this object cannot be written whole: section {one.section}: {one.name} is a table of "
                            "functions for the kernel (struct_ops), which is only read")  # fmt: skip
        return _write(completed(spec))
    except LoadError as error:
        raise LoadError(one_line(str(error))) from None


def _write(whole: ObjectSpec) -> bytes:
    data = DataSections(whole)
    code = CodeSections(unlink(whole.programs), whole.btf)
    relocations = {**code.relocations(data.resolve), **data.relocations(code.programs())}
    symbols = [*code.symbols(), *data.symbols]
    _check_names(symbols)
    sections = [*code.sections(data.resolve, whole.endian), *data.sections, *_debug(whole, code.debug(whole.sources))]
    return build(sections, symbols, relocations, whole.endian)


def _debug(spec: ObjectSpec, ext: btf_ext.Ext) -> list[NewSection]:
    sections = []
    if spec.btf is not None:
        strings = StringTable()
        beside = btf_ext.encode(ext, strings, spec.endian)
        types = btf_codec.encode(spec.btf, strings, spec.endian)
        sections.append(NewSection(".BTF", elf.PROGBITS, types, align=4))
        sections.append(NewSection(".BTF.ext", elf.PROGBITS, beside, align=4))
    if said := note.encode(spec, spec.endian):
        sections.append(NewSection(note.SECTION, elf.NOTE, said, align=4))
    return sections


def _check_names(symbols: Sequence[NewSymbol]) -> None:
    """Local symbols may share a name, as static functions of linked objects do; all others are one name space."""
    seen: set[str] = set()
    for one in symbols:
        if one.name and one.binding != elf.LOCAL and one.name in seen:
            raise LoadError(
                f"two things in this object are called {one.name}: maps, functions, variables, externs and the license "
                "share names"
            )
        if one.binding != elf.LOCAL:
            seen.add(one.name)
