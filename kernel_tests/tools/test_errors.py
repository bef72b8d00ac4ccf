"""What goes wrong with a kernel, as users meet it: one line that says what, where, why and what to do.

Each by the interface of Python and by `bpfvm run --engine kernel`: the same reason, status 1 where program or host is
at fault and 2 where the input is, and never a traceback.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import bpfvm
from bpfvm.cli import status
from bpfvm.core.errors import BpfvmError, LoadError, Unavailable, UsageError, VerifierReject
from bpfvm.core.machine import Input
from bpfvm.obj.captures.pcap import write_capture
from bpfvm.program import Program
from examples.proto import proto
from examples.traffic import frames
from kernel_tests.runs.test_refusals import POLICY, keeping, seccomp

ROOT = Path(__file__).resolve().parents[2]
OBJECTS = ROOT / "tests/objects"
PROTO = ROOT / "examples/proto.py"
HASH_KEY, HASH_VALUE = 6, 8  # bytes; of maps_types.o's map "hash", which has room for 4


def of_object(file: str, name: str) -> Program:
    return bpfvm.load(str(OBJECTS / file)).programs[name]


def check_line(message: str) -> None:
    """One line of words that ends without a full stop."""
    assert message.isprintable(), message
    assert len(message) > 20
    assert not message.endswith("."), message
    assert "Traceback" not in message


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("errors") / "traffic.pcap"
    write_capture(str(path), [(0, frames()[0])])
    return path


def by_command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Status, and the line on standard error; with --json nothing but that line either."""
    found = []
    for more in ((), ("--json",)):
        capsys.readouterr()
        code = status(["run", *map(str, arguments), "--engine", "kernel", *more])
        out, err = capsys.readouterr()
        assert out == ""
        text, end = err[:-1], err[-1:]
        assert end == "\n"
        line, *explained = text.split("\n")
        check_line(line)
        assert all(one.isprintable() for one in explained)
        found.append((code, text.removeprefix("bpfvm: ")))
    assert found[0] == found[1]
    return found[0]


@dataclass(frozen=True, slots=True)
class NotLoaded:
    """An object's program that this kernel does not take."""

    file: str
    program: str
    kind: type[BpfvmError]
    status: int
    message: str  # a regular expression for all of it


# Rejections, and features that no kernel or not every one has
NOT_LOADED = (
    NotLoaded("refused/data_pointers.o", "pointers", VerifierReject, 1,
              r"R1 invalid mem access 'scalar', at \./refused/data_pointers\.c:10, instruction 9: r0 = .*"),
    NotLoaded("insns_callx.o", "indirect", VerifierReject, 1,
              r"unknown opcode 8d, at \./insns_callx\.c:8, instruction 4"),
    NotLoaded("core_enums.o", "enumerators", VerifierReject, 1,
              r"\./core_enums\.c:16, instruction 5 needs enum small::SMALL_B, which the target does not have.*"),
    NotLoaded("extern_ksyms.o", "symbols", LoadError, 2, r"extern init_task: the kernel has no symbol of this name.*"),
    NotLoaded("xdp_count_big.o", "count", LoadError, 2,
              r"count: the object is big-endian, and this kernel is little-endian.*"),
)  # fmt: skip


@pytest.mark.parametrize("case", NOT_LOADED, ids=lambda case: case.file)
def test_a_program_that_is_not_taken(case: NotLoaded, capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = of_object(case.file, case.program)
    with pytest.raises(case.kind) as caught:
        program.session("kernel")
    message = str(caught.value)
    line, *more = message.split("\n")  # behind the line stands what the model explains of it
    check_line(line)
    assert all(one.isprintable() for one in more)
    assert re.fullmatch(case.message, line), line
    packets = ("--packet", capture) if program.type.layer else ()
    assert by_command(capsys, OBJECTS / case.file, *packets) == (case.status, message)


def test_a_rejection_keeps_the_whole_log() -> None:
    with pytest.raises(VerifierReject) as caught:
        of_object("refused/data_pointers.o", "pointers").session("kernel")
    assert str(caught.value).partition(",")[0] in caught.value.log
    assert caught.value.log.count("\n") >= 5


def test_a_type_that_the_kernel_does_not_run_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    kprobe = of_object("programs_sections.o", "on_kprobe")
    with kprobe.session("kernel") as session, pytest.raises(Unavailable) as caught:
        session.run(Input())
    message = str(caught.value)
    check_line(message)
    assert "kprobe" in message
    code, line = by_command(capsys, OBJECTS / "programs_sections.o", "--program", "on_kprobe")
    assert (code, message in line) == (1, True)


# map, what is done, all of the message
FULL = "map hash['050000000000'] cannot be stored: the map has room for 4 entries, and all are taken (E2BIG)"
WRONG = (
    (lambda hits: hits["abc"], r"map hits key: 'abc' is not hex text of 4 bytes; it is an unsigned integer of 4 bytes"),
    (lambda hits: hits[1.5], r"map hits key: 1\.5 is .*; it is an unsigned integer of 4 bytes"),
    (lambda hits: hits[-1], r"map hits key: -1 is not from 0 to 4294967295; it is an unsigned integer of 4 bytes"),
    (lambda hits: hits.update({"abc": 1}), r"map hits key: 'abc' is .*; it is an unsigned integer of 4 bytes"),
    (lambda hits: hits.update({1: "x"}), r"map hits value: 'x' is not .*; it is an unsigned integer of 8 bytes"),
    (lambda hits: hits.update({1: 1 << 64}), r"map hits value: 18446744073709551616 is not from 0 to .*"),
    (lambda hits: hits.update({256: 1}), r"map hits\[256\] cannot be stored: .* its last index is 255 .*"),
)  # fmt: skip


@pytest.mark.parametrize(("do", "message"), WRONG, ids=lambda one: one if isinstance(one, str) else "do")
def test_a_key_or_value_that_does_not_fit(do: Callable[..., object], message: str) -> None:
    with proto.session("kernel") as session:
        with pytest.raises(UsageError) as caught:
            do(session.map("hits"))
        assert not any(session.maps()["hits"].values())
    check_line(str(caught.value))
    assert re.fullmatch(message, str(caught.value)), str(caught.value)


def test_a_full_map() -> None:
    with of_object("maps_types.o", "types").session("kernel") as session:
        one = session.map("hash")
        keys = [bytes([number]) + bytes(HASH_KEY - 1) for number in range(1, 6)]
        for store in (one.__setitem__, lambda key, value: one.update({key: value})):
            for key in keys[:4]:
                one[key] = bytes(HASH_VALUE)
            with pytest.raises(UsageError) as caught:
                store(keys[4], bytes(HASH_VALUE))
            check_line(str(caught.value))
            assert re.fullmatch(r"map hash\[.*05.*\] cannot be stored: .* 4 entries.*\(E2BIG\).*", str(caught.value))
            assert len(one) == 4


# contents, the line, whether it begins with the file's name
CONTENTS = (
    ([{"key": key, "value": 1} for key in range(257)], r"map hits: index 256, and the last is 255.*", False),
    ([{"key": "abc", "value": 1}], r"map hits\['abc'\] key: 'abc' is not hex text of 4 bytes.*", True),
    ([{"key": {"a": 1}, "value": 1}], r"map hits\[\{'a': 1\}\] key: \{'a': 1\} is not an integer.*", True),
    ([{"key": 1, "value": "zz"}], r"map hits\[1\]: 'zz' is not hex text of 8 bytes.*", True),
    ([{"key": 1, "value": 1 << 64}], r"map hits\[1\]: 18446744073709551616 .*", True),
)


@pytest.mark.parametrize(
    ("contents", "message", "named"), CONTENTS, ids=lambda one: one if isinstance(one, str) else ""
)
def test_contents_that_do_not_fit(
    contents: list[object], message: str, named: bool, capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "contents.json"
    file.write_text(json.dumps(contents))
    code, line = by_command(capsys, PROTO, "--packet", capture, "--map", f"hits={file}")
    assert code == 2
    assert re.fullmatch(f"{re.escape(str(file))}: {message}" if named else message, line), line


def test_more_contents_than_a_map_has_room_for(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [{"key": f"{key:012x}", "value": "00" * HASH_VALUE} for key in range(5)]
    file = tmp_path / "contents.json"
    file.write_text(json.dumps(entries))
    target = OBJECTS / "maps_types.o"
    code, line = by_command(capsys, target, "--packet", capture, "--map", f"hash={file}")
    assert (code, "map hash" in line, "4" in line) == (2, True, True), line
    maps = {"hash": {bytes.fromhex(str(one["key"])): bytes(HASH_VALUE) for one in entries}}
    with pytest.raises(UsageError) as caught:
        of_object("maps_types.o", "types").session("kernel", maps)
    assert str(caught.value) == line


def test_what_is_closed_says_so() -> None:
    with proto.session("kernel") as session:
        one = session.map("hits")
    uses: tuple[Callable[[], object], ...] = (
        lambda: session.run(proto.input((frames()[0],))), session.maps, lambda: one[0], lambda: list(one),
        lambda: dict(one.items()), lambda: one.update({0: 1}), lambda: 0 in one,
    )  # fmt: skip
    for use in uses:
        with pytest.raises(UsageError) as caught:
            use()
        check_line(str(caught.value))
        assert re.fullmatch(r"(this program|map hits) is closed; .*load .* to use it", str(caught.value))
    session.close()


def child(capture: Path, prelude: str = "", off: bool = False) -> tuple[int, str]:
    """Status and line of the command in another process, where the interface of Python says the same."""
    script = f"""
import sys
from bpfvm.cli import status
from bpfvm.core.errors import Unavailable
from examples.proto import proto
from examples.traffic import frames
{prelude}
try:
    proto.kernel(frames()[0])
except Unavailable as error:
    print(error)
sys.exit(status(["run", {str(PROTO)!r}, "--packet", {str(capture)!r}, "--engine", "kernel"]))
"""
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"BPFVM_KERNEL": "off"} if off else {}
    asked = [sys.executable, "-c", script]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False, timeout=60)
    line = done.stdout.removesuffix("\n")
    assert done.stderr in (f"bpfvm: {line}\n", f"bpfvm: engine kernel could run none of 1 packets: {line}\n")
    check_line(line)
    return done.returncode, line


def test_a_missing_privilege(capture: Path) -> None:
    code, line = child(capture, keeping("CAP_PERFMON"))
    assert code == 1
    assert re.fullmatch(
        r"engine kernel: .* takes CAP_BPF.*, and this process lacks CAP_BPF.* \(EPERM\): run as root, or give its "
        r"interpreter what it lacks",
        line,
    ), line


def test_a_policy_of_the_host(capture: Path) -> None:
    code, line = child(capture, seccomp(errno=1))
    assert (code, line.startswith("engine kernel: " + POLICY.format("xdp"))) == (1, True), line


def test_a_kernel_that_cannot_run_programs(capture: Path) -> None:
    """BPF_PROG_TEST_RUN gives ENOTSUPP where the kernel has no such code for the type."""
    code, line = child(capture, seccomp(command="PROG_TEST_RUN", errno=524))
    assert code == 1
    assert re.search(r"BPF_PROG_TEST_RUN of this xdp program: .*\(ENOTSUPP\)", line), line


def test_switched_off(capture: Path) -> None:
    assert child(capture, off=True) == (1, "engine kernel: bpf(2) is switched off by BPFVM_KERNEL=off")
