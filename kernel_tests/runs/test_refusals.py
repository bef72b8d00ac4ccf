"""What the kernel refuses, and how that is said: the verifier's words first, capabilities and policies by name."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from bpfvm.core.bits import M32
from bpfvm.core.errors import BpfvmError, LoadError, Unavailable, UsageError, VerifierReject
from bpfvm.core.machine import Location
from bpfvm.isa.codec import SLOT, encode
from bpfvm.isa.insn import Insn, insn
from bpfvm.kernel import KERNEL
from bpfvm.kernel.maps.elements import BYTE_ORDER
from bpfvm.kernel.programs import program as loading
from bpfvm.kernel.sys import PROG_LOAD, ProgLoad, address, bpf
from bpfvm.obj.btf import codec as btf_codec
from bpfvm.obj.btf.types import Func
from bpfvm.obj.cursor import Bytes
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.progs import BY_NAME
from kernel_tests.handmade import NAME, array, spec

NUMBERS = {"CAP_NET_ADMIN": 12, "CAP_PERFMON": 38, "CAP_BPF": 39}  # include/uapi/linux/capability.h
ROOT = Path(__file__).resolve().parents[2]
PASS = (insn("mov64_k", 0, imm=2), insn("exit"))


# Instructions, and what 6.18 says to them: VerifierReject's whole message
REFUSED: dict[str, tuple[tuple[Insn, ...], str]] = {
    "a packet byte without a check": (
        (insn("ldx32", 2, 1), insn("ldx8", 0, 2, off=14), insn("exit")),
        "invalid access to packet, off=14 size=1, R2(id=0,off=14,r=0); R2 offset is outside of the packet, "
        "at instruction 1: r0 = *(u8 *)(r2 +14)",
    ),
    "no return value": ((insn("exit"),), "R0 !read_ok, at instruction 0: exit"),
    "a register never written": (
        (insn("mov64_x", 0, 5), insn("exit")), "R5 !read_ok, at instruction 0: r0 = r5",
    ),
    "a jump out of the program": (
        (insn("ja", off=5), insn("exit")), "jump out of range from insn 0 to 6, at instruction 0",
    ),
    "code that nothing reaches": ((*PASS, *PASS), "unreachable insn 2, at instruction 2"),
    "no exit": ((insn("mov64_k", 0),), "last insn is not an exit or jmp"),
    "a loop without an end": (
        (insn("mov64_k", 0), insn("jne64_k", 0, imm=5, off=-1), insn("exit")),
        "infinite loop detected at insn 1, at instruction 1: if r0 != 0x5 goto pc-1",
    ),
    "a loop whose end is not known": (
        (insn("call", imm=7), insn("add64_k", 0, imm=1), insn("jne64_k", 0, off=-2), *PASS),
        "infinite loop detected at insn 1, at instruction 1: r0 += 1",
    ),
    "a store under the stack": (
        (insn("st64", 10, off=-520), *PASS),
        "invalid write to stack R10 off=-520 size=8, at instruction 0: *(u64 *)(r10 -520) = 0",
    ),
    "a helper that is not there": (
        (insn("call", imm=9999), insn("exit")), "invalid func unknown#9999, at instruction 0: call unknown#9999",
    ),
    "a helper for other programs": (
        (insn("call", imm=36), insn("exit")),
        "program of this type cannot use helper bpf_probe_write_user#36, "
        "at instruction 0: call bpf_probe_write_user#36",
    ),
    "a context field that is not there": (
        (insn("ldx64", 0, 1, off=100), insn("exit")),
        "invalid bpf_context access off=100 size=8, at instruction 0: r0 = *(u64 *)(r1 +100)",
    ),
    "a map value used without a look at null": (
        (insn("mov64_x", 2, 10), insn("add64_k", 2, imm=-4), insn("ldx32", 3, 1, 12), insn("stx32", 2, 3),
         insn("lddw_map", 1, symbol="m"), insn("call", imm=1), insn("ldx64", 0, 0), insn("exit")),
        "R0 invalid mem access 'map_value_or_null', at instruction 7: r0 = *(u64 *)(r0 +0)",
    ),
    "a map value's end": (
        (insn("lddw_map_value", 1, imm=8 << 32, symbol="m"), *PASS),
        "invalid access to map value pointer, value_size=8 off=8",
    ),
    "a number where a map must be": (
        (insn("mov64_k", 1), insn("mov64_k", 2), insn("call", imm=1), insn("exit")),
        "R1 type=scalar expected=map_ptr, at instruction 2: call bpf_map_lookup_elem#1",
    ),
    "a kernel function that is none": (
        (insn("call_kfunc", imm=1), insn("exit")), "kernel btf_id 1 is not a function",
    ),
    "a function's address without BTF": (
        (insn("lddw_func", 1, imm=3), *PASS, *PASS), "missing btf func_info, at instruction 0: r1 = 0x3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", REFUSED)
def test_rejections_say_the_verifiers_reason(title: str) -> None:
    code, message = REFUSED[title]
    with pytest.raises(VerifierReject) as caught:
        KERNEL.load(spec("xdp", code, [array("m", 1)]), NAME)
    assert str(caught.value) == message
    assert message.partition(";")[0].partition(", at ")[0] in caught.value.log


def test_a_rejection_names_the_source_line(tmp_path: Path) -> None:
    source = tmp_path / "first.py"
    source.write_text("def first(pkt):\n    size = len(pkt)\n    return pkt[14]\n")
    lines = {0: Location(str(source), 2, 5), 1: Location(str(source), 3, 12)}
    code = (insn("ldx32", 2, 1), insn("ldx8", 0, 2, off=14), insn("exit"))
    with pytest.raises(VerifierReject) as caught:
        KERNEL.load(spec("xdp", code, lines=lines), NAME)
    assert str(caught.value) == (
        "invalid access to packet, off=14 size=1, R2(id=0,off=14,r=0); R2 offset is outside of the packet, "
        f"at {source}:3 `return pkt[14]`, instruction 1: r0 = *(u8 *)(r2 +14)"
    )
    nowhere = {0: Location("/nowhere/gone.py", 7)}
    with pytest.raises(VerifierReject) as caught:
        KERNEL.load(spec("xdp", code, lines=nowhere), NAME)
    assert ", at /nowhere/gone.py:7, instruction 1: r0 =" in str(caught.value)


def test_the_log_is_whole_however_long() -> None:
    # from the context, so that nothing is known and every instruction has its line
    code = [insn("ldx32", 2, 1, 12)] + [insn("add64_k", 2, imm=1)] * 4000 + [insn("mov64_x", 0, 9), insn("exit")]
    with pytest.raises(VerifierReject) as caught:
        KERNEL.load(spec("xdp", code), NAME)
    lines = caught.value.log.splitlines()
    print(f"a log of {len(caught.value.log)} bytes, {len(lines)} lines")
    assert len(caught.value.log) > 1 << 18
    assert lines[1].startswith("0: (61) r2 = *(u32 *)(r1 +12)")
    assert lines[-1].startswith("processed 4002 insns")
    assert str(caught.value) == "R9 !read_ok, at instruction 4001: r0 = r9"


def test_a_log_grows_where_the_kernel_does_not_say_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def old_kernel(command: int, attr: ProgLoad) -> int:
        try:
            return bpf(command, attr)
        finally:
            attr.log_true_size = 0

    monkeypatch.setattr(loading, "bpf", old_kernel)
    test_the_log_is_whole_however_long()


def test_a_license_that_a_helper_does_not_take() -> None:
    one = spec("xdp", (insn("mov64_k", 1), insn("mov64_k", 2), insn("call", imm=6), insn("exit")))  # trace_printk
    given = ObjectSpec(one.programs, one.maps, license="Proprietary")
    with pytest.raises(
        VerifierReject, match=r"^cannot call GPL-restricted function from non-GPL compatible program, at"
    ):
        KERNEL.load(given, NAME)
    for license, size in (("x" * 200, 200), ("G\0PL", 4)):
        with pytest.raises(LoadError) as caught:
            KERNEL.load(ObjectSpec(one.programs, one.maps, license=license), NAME)
        assert str(caught.value) == f"the license has {size} bytes, and the kernel takes 127 and no zero"


def object_of(program: ProgramSpec, *maps: MapSpec, endian: str = BYTE_ORDER) -> ObjectSpec:
    return ObjectSpec({program.name: program}, {one.name: one for one in maps}, endian=endian)


OTHER = "big" if BYTE_ORDER == "little" else "little"
NO_OBJECTS: list[tuple[ObjectSpec, str, type[BpfvmError], str]] = [
    (spec("xdp", PASS), "other", UsageError, "there is no program 'other'; the programs are handmade"),
    (spec("warp", PASS), NAME, Unavailable, "handmade: there is no program type 'warp'"),
    (spec("xdp", ()), NAME, LoadError, "handmade: a program needs at least one instruction, and this one has none"),
    (object_of(ProgramSpec("p", "xdp", "xdp", PASS), endian=OTHER), "p", LoadError,
     f"p: the object is {OTHER}-endian, and this kernel is {BYTE_ORDER}-endian"),
    (spec("xdp", (insn("lddw_map", 1, symbol="gone"), *PASS)), NAME, LoadError,
     "handmade: there is no map 'gone'; the maps are none"),
    (spec("xdp", (*PASS, insn("lddw_map", 1))), NAME, LoadError, "instruction 2: lddw_map names no map"),
    (spec("xdp", (insn("lddw", 2), insn("lddw_map_idx", 1), *PASS)), NAME, LoadError,
     "handmade: instruction 2: lddw_map_idx wants map number 0, and the object's maps are none, counted from 0"),
    (spec("xdp", (insn("mov64_k", 0),) * 1_000_001), NAME, LoadError,
     "handmade: 1000001 instruction slots are more than this kernel takes (E2BIG); the limit is 1000000 with CAP_BPF"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "program", "kind", "message"), NO_OBJECTS)
def test_objects_that_are_not_loaded(given: ObjectSpec, program: str, kind: type[BpfvmError], message: str) -> None:
    with pytest.raises(kind) as caught:
        KERNEL.load(given, program)
    assert type(caught.value) is kind
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "name", ["", "<lambda>", "a name with spaces", "ünïcode", "x" * 40, "dots.and_1", "nul\0", "-"]
)
def test_any_name_is_made_one_that_the_kernel_takes(name: str) -> None:
    one = MapSpec(name, "array", 4, 8, 1)
    program = ProgramSpec(name, "xdp", "xdp", (insn("lddw_map", 1, symbol=name), *PASS))
    with KERNEL.load(object_of(program, one), name) as loaded:
        assert len(loaded.read_map(name)) == 1


def test_a_load_that_a_signal_interrupts_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def interrupted(command: int, attr: ProgLoad) -> int:
        if command == PROG_LOAD:
            calls.append(attr.log_level)
            if len(calls) < 4:
                raise OSError(errno.EAGAIN, "try again")
        return bpf(command, attr)

    monkeypatch.setattr(loading, "bpf", interrupted)
    KERNEL.load(spec("xdp", PASS), NAME).close()
    assert calls == [0, 0, 0, 0]


def child(prelude: str, *wrapper: str) -> list[str]:
    """What another process says of the kernel after `prelude`: available(), then a load of XDP, then of a map."""
    script = f"""
import os, sys
from bpfvm.core.errors import BpfvmError
from bpfvm.kernel import KERNEL, available
from kernel_tests.handmade import NAME, array, spec
from bpfvm.isa.insn import insn
code = insn("mov64_k", 0), insn("exit")
{prelude}
print(available())
for one in (spec("xdp", code), spec("xdp", (insn("lddw_map", 1, symbol="m"), *code), [array("m", 1)])):
    try:
        KERNEL.load(one, NAME).close()
        print("loaded")
    except BpfvmError as error:
        print(type(error).__name__ + ":", error)
"""
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*wrapper, sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def keeping(*names: str) -> str:
    """Python that gives up all capabilities but these, which needs none (capset(2), version 3)."""
    kept = sum(1 << NUMBERS[name] for name in names)
    return f"""
import ctypes, struct
low, high = {kept & M32}, {kept >> 32}
header, data = struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", low, low, 0, high, high, 0)
assert ctypes.CDLL(None).capset(header, data) == 0
"""


def test_an_unprivileged_user_is_told_what_is_lacking() -> None:
    missing, program, one = child(keeping())
    assert program == (
        "Unavailable: loading a program of type xdp takes CAP_BPF and CAP_NET_ADMIN, and this process lacks CAP_BPF "
        "and CAP_NET_ADMIN (EPERM): run as root, or give its interpreter what it lacks"
    )
    # with kernel.unprivileged_bpf_disabled=0 anybody may make an array, and it is the program that is refused
    sysctl = Path("/proc/sys/kernel/unprivileged_bpf_disabled").read_text().strip()
    print(f"kernel.unprivileged_bpf_disabled is {sysctl}")
    making_a_map = (
        "creating a map takes CAP_BPF, and this process lacks CAP_BPF (EPERM): run as root, or give its interpreter "
        "what it lacks"
    )
    refusal = program.removeprefix("Unavailable: ") if sysctl == "0" else making_a_map
    assert missing == refusal
    assert one == f"Unavailable: {refusal}"


def test_one_capability_that_is_lacking_is_named() -> None:
    missing, program, _ = child(keeping("CAP_BPF", "CAP_PERFMON"))
    assert missing == (
        "loading a program of type xdp takes CAP_BPF and CAP_NET_ADMIN, and this process lacks CAP_NET_ADMIN (EPERM): "
        "run as root, or give its interpreter what it lacks"
    )
    assert program == f"Unavailable: {missing}"


def test_two_capabilities_are_enough() -> None:
    assert child(keeping("CAP_BPF", "CAP_NET_ADMIN")) == ["None", "loaded", "loaded"]


def test_root_of_a_user_namespace_is_told_so() -> None:
    tried = subprocess.run(
        ["unshare", "--user", "--map-root-user", "true"], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"no user namespaces here: {tried.stderr.strip()}")
    missing, program, one = child("", "unshare", "--user", "--map-root-user")
    assert program == (
        "Unavailable: loading a program of type xdp takes CAP_BPF and CAP_NET_ADMIN on the host itself, and this "
        "process has its capabilities in a user namespace only (EPERM): run as root of the host"
    )
    assert "in a user namespace only" in missing
    assert one.startswith("Unavailable: ")


def test_switched_off_means_off() -> None:
    reason = "bpf(2) is switched off by BPFVM_KERNEL=off"
    prelude = "os.environ['BPFVM_KERNEL'] = 'off'"
    assert child(prelude) == [reason, f"Unavailable: {reason}", f"Unavailable: {reason}"]


def seccomp(command: str = "PROG_LOAD", errno: int = 1) -> str:
    """Python that makes seccomp(2) answer a command of bpf(2) with an errno; EPERM is what container runtimes say."""
    return f"""
import ctypes, platform, struct
from bpfvm.kernel import sys as calls
number = calls.call_number("Linux", platform.machine(), 8)
steps = [(0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 16),
         (0x15, 0, 1, calls.{command}), (0x06, 0, 0, 0x00050000 | {errno}), (0x06, 0, 0, 0x7FFF0000)]
rules = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
header = ctypes.create_string_buffer(struct.pack("H6xQ", len(steps), ctypes.addressof(rules)))
prctl = ctypes.CDLL(None).prctl
assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, header) == 0
"""


POLICY = "refused by this host's policy: loading a program of type {} gives EPERM without a verifier log, though this"


def test_a_policy_is_named_as_one() -> None:
    missing, program, one = child(seccomp())
    assert missing.startswith(POLICY.format("xdp"))
    assert program == one == f"Unavailable: {missing}"


def test_the_hosts_own_policy_is_named_as_one() -> None:
    """Some hosts refuse programs on kernel functions (fentry); where they are allowed, this one is never attached."""
    types, _ = btf_codec.decode(Bytes(Path("/sys/kernel/btf/vmlinux").read_bytes(), "vmlinux", BYTE_ORDER))
    target = types.find(Func, "bpf_fentry_test1")
    if target is None:
        pytest.skip("this kernel has no bpf_fentry_test1")
    tracing = BY_NAME["tracing"]
    code = encode((insn("mov64_k", 0), insn("exit")), BYTE_ORDER)
    license = b"GPL"
    attr = ProgLoad(
        prog_type=tracing.number, insn_cnt=len(code) // SLOT, insns=address(code), license=address(license),
        expected_attach_type=24, attach_btf_id=target,  # BPF_TRACE_FENTRY
    )  # fmt: skip
    refused = refusal_of(attr)
    if refused is None:
        pytest.skip("this host allows programs on kernel functions")
    assert refused.log.strip() == ""
    error = loading.explained(refused, ProgramSpec(NAME, "fentry", "tracing", ()), tracing)
    assert isinstance(error, Unavailable)
    assert str(error).startswith(POLICY.format("tracing"))


def refusal_of(attr: ProgLoad) -> loading.Refused | None:
    try:
        loading.submit(attr).close()
    except loading.Refused as refused:
        return refused
    return None
