"""Kept machine code: what an object file asks for is done as LLVM's own linker does it; a warm start asks no LLVM."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bpfvm.emulator.native.code import engine, host
from bpfvm.emulator.native.code.image import Image, Loaded
from bpfvm.isa.asm import assemble
from bpfvm.obj.captures.pcap import write_capture
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.writer.object import write_object

pytestmark = pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))

# A table of constants, a call inside, one of the C library
READS = """
@table = internal constant [4 x i64] [i64 3, i64 5, i64 7, i64 11]
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define internal i64 @one(i64 %n) noinline {
  %p = getelementptr [4 x i64], ptr @table, i64 0, i64 %n
  %v = load i64, ptr %p
  ret i64 %v
}
define i64 @f(i64 %n) {
  %to = alloca [4 x i64]
  %size = mul i64 %n, 8
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr @table, i64 %size, i1 false)
  %last = sub i64 %n, 1
  %p = getelementptr i64, ptr %to, i64 %last
  %copied = load i64, ptr %p
  %v = call i64 @one(i64 %last)
  %r = mul i64 %v, %copied
  ret i64 %r
}
define i64 @g(i64 %n) {
  %r = add i64 %n, 1
  ret i64 %r
}
"""
COPY = """
define internal void @copy(ptr %to, ptr %from, i64 %size, i1 %volatile) {
  %all = load [4 x i64], ptr %from
  store [4 x i64] %all, ptr %to
  ret void
}
"""
WRITES = """
@last = internal global i64 40
define i64 @f(i64 %n) {
  %old = load volatile i64, ptr @last
  %new = add i64 %old, %n
  store volatile i64 %new, ptr @last
  ret i64 %new
}
"""
FORM = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64)


@pytest.mark.parametrize("optimises", [0, 1, 2])
def test_code_is_what_llvm_links(optimises: int) -> None:
    from bpfvm.emulator.native.code import llvm, objects

    code = llvm.compiled(READS, optimises)
    found = objects.image(code)
    if found is None:
        pytest.skip("code of this processor is linked by LLVM")
    assert Image.kept(bytes(found)) == found
    assert set(found.outside) <= {"memcpy"}
    if not optimises:  # else the call may be gone
        assert found.outside
    loaded, linked = Loaded(found), llvm.linked(code)
    for name in ("f", "g"):
        ours, theirs = FORM(loaded.addresses[name]), FORM(linked.get_function_address(name))
        assert [ours(n) for n in range(1, 5)] == [theirs(n) for n in range(1, 5)]
    assert [FORM(loaded.addresses["f"])(n) for n in range(1, 5)] == [9, 25, 49, 121]


@pytest.mark.parametrize(("model", "reloc"), [("small", "pic"), ("large", "static")])
def test_distances_are_told_from_addresses(model: str, reloc: str) -> None:
    """Code of the small model calls and reads by distance, of the large one by address; both are laid out."""
    import llvmlite.binding as llvm

    from bpfvm.emulator.native.code import objects

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=0, codemodel=model, reloc=reloc)
    text = READS.replace("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)", COPY)
    text = text.replace("@llvm.memcpy.p0.p0.i64", "@copy")
    found = objects.image(bytes(machine.emit_object(llvm.parse_assembly(text))))
    if found is None:
        pytest.skip("code of this processor is linked by LLVM")
    assert bool(found.own) == (model == "large")
    code = Loaded(found)
    assert [FORM(code.addresses["f"])(n) for n in range(1, 5)] == [9, 25, 49, 121]


def test_what_is_no_image_is_linked_by_llvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bpfvm.emulator.native.code import llvm, objects

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert objects.image(llvm.compiled(WRITES, 2)) is None
    assert objects.image(b"") is None
    for _ in range(2):
        code = engine.Compiled(WRITES, ["f"], engine.FULL)
        assert [FORM(code.addresses["f"])(n) for n in (1, 2)] == [41, 43]
    (path,) = (tmp_path / "bpfvm" / "native").iterdir()
    assert path.read_bytes()[engine.SUM :].startswith(engine.ELF)


RUN = """
import sys
from bpfvm.cli import status
status(["run", sys.argv[1], "--packet", sys.argv[2], "--engine", "native"])
print("llvmlite.binding" in sys.modules)
"""


def test_a_program_that_was_run_before_needs_no_llvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = "r1 = 0\n *(u32 *)(r10 - 4) = r1\n r2 = r10\n r2 += -4\n r1 = map[m]\n call 1\n r0 = 2\n exit"
    spec = ProgramSpec("p", "xdp", "xdp", tuple(assemble(text)))
    (tmp_path / "p.o").write_bytes(write_object(ObjectSpec({"p": spec}, {"m": MapSpec("m", "hash", 4, 8, 3)})))
    write_capture(tmp_path / "a.pcap", [(number, bytes(60)) for number in range(20)])
    words = [sys.executable, "-c", RUN, str(tmp_path / "p.o"), str(tmp_path / "a.pcap")]
    first, second = (subprocess.run(words, capture_output=True, text=True, check=True).stdout for _ in range(2))
    (kept,) = (tmp_path / "bpfvm" / "native").iterdir()
    assert first.endswith("True\n")
    if not kept.read_bytes()[engine.SUM :].startswith(engine.ELF):
        assert second == first.replace("True", "False")


@pytest.mark.parametrize("damage", [b"", b"[1, 2]", b"\xff", b'["a", "b", "c", "d"]', b"[" * 100_000])
def test_the_host_is_asked_again_where_its_answer_is_damaged(
    damage: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said = host.host()
    assert host.host() == said
    (path,) = (tmp_path / "bpfvm" / "hosts").iterdir()
    path.write_bytes(damage)
    assert host.host() == said
    assert json.loads(path.read_bytes()) == said


def test_another_processor_has_another_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    told = tmp_path / "cpuinfo"
    monkeypatch.setattr(host, "CPUINFO", str(told))
    for number, (text, files) in enumerate(
        [
            ("processor\t: 0\nflags\t: avx\ncpu MHz\t: 1\n\nprocessor\t: 1\n", 1),
            ("processor\t: 3\nflags\t: avx\ncpu MHz\t: 2\n\n", 1),
            ("processor\t: 0\nflags\t: avx avx2\n\n", 2),
        ]
    ):
        told.write_text(text)
        host.host()
        assert len(list((tmp_path / "bpfvm" / "hosts").iterdir())) == files, number
    told.unlink()
    assert len(host.host()) == 5
    assert len(list((tmp_path / "bpfvm" / "hosts").iterdir())) == 2
