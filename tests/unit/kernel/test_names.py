"""What is read of the running kernel's files: its version code, its configuration, packed or not."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from bpfvm.core.errors import Unavailable
from bpfvm.isa.insn import insn
from bpfvm.kernel.host import names, privilege
from bpfvm.kernel.host.names import RunningKernel, version_code
from bpfvm.obj.model import ExternSpec, ObjectSpec, ProgramSpec


@pytest.mark.parametrize(
    ("release", "version", "signature", "code"),
    [
        ("6.18.44-fc-v657", "#1 SMP PREEMPT_DYNAMIC @0", "", (6, 18, 44)),
        ("5.10.0-28-amd64", "#1 SMP Debian 5.10.209-2 (2024-01-31)", "", (5, 10, 209)),
        ("5.4.0-150-generic", "#167~18.04.1-Ubuntu SMP", "Ubuntu 5.4.0-150.167~18.04.1-generic 5.4.233", (5, 4, 233)),
        ("4.19.325", "", "", (4, 19, 255)),  # the code has 8 bits for the last number
        ("7.0", "", "", (7, 0, 0)),
        ("6.1-rc3", "", "nonsense", (6, 1, 0)),
    ],
)
def test_version_codes(release: str, version: str, signature: str, code: tuple[int, int, int]) -> None:
    assert version_code(release, version, signature) == code[0] << 16 | code[1] << 8 | code[2]


def test_a_release_without_a_version_is_named() -> None:
    with pytest.raises(Unavailable, match="'mine' does not begin with a version"):
        version_code("mine")


def test_the_first_configuration_that_can_be_read_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed, damaged = tmp_path / "config.gz", tmp_path / "damaged.gz"
    packed.write_bytes(gzip.compress(b"CONFIG_A=y\n"))
    damaged.write_bytes(gzip.compress(b"CONFIG_A=n\n" * 99)[:20])
    monkeypatch.setattr(names, "_CONFIG", (f"{tmp_path}/config-{{0}}", str(damaged), str(packed)))
    assert RunningKernel().config == "CONFIG_A=y\n"
    (tmp_path / f"config-{RunningKernel().release}").write_text("CONFIG_A=m\n")
    assert RunningKernel().config == "CONFIG_A=m\n"
    monkeypatch.setattr(names, "_CONFIG", (f"{tmp_path}/none",))
    with pytest.raises(Unavailable, match=r"no configuration of this kernel: neither .*/none is there"):
        assert RunningKernel().config


LACKS = "they take CAP_SYSLOG, which this process lacks"


@pytest.mark.parametrize(
    ("restrict", "paranoid", "why"),
    [
        ("0", "2", f"{LACKS}, or kernel.perf_event_paranoid of 1 or less, which is 2"),
        ("1", "0", f"{LACKS} (kernel.kptr_restrict is 1)"),
        ("2", "0", "kernel.kptr_restrict is 2, which hides them from every process; 1 shows them to those with "
                   "CAP_SYSLOG"),
        ("", "", LACKS),
    ],
)  # fmt: skip
def test_what_hides_symbols_is_named(
    restrict: str, paranoid: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What wants an address then is refused with the extern, the cause and the remedy, and never gets 0."""
    for name, value in (("KPTR_RESTRICT", restrict), ("PERF_EVENT_PARANOID", paranoid)):
        monkeypatch.setattr(privilege, name, tmp_path / name)
        if value:
            (tmp_path / name).write_text(f"{value}\n")
    monkeypatch.setattr(RunningKernel, "kallsyms", b"0000000000000000 T _stext\n0000000000000000 T vfs_read\n")
    program = ProgramSpec("p", "xdp", "xdp", (insn("lddw", 0, symbol="vfs_read"), insn("exit")))
    spec = ObjectSpec({"p": program}, {}, externs={"vfs_read": ExternSpec("vfs_read", "ksym", 0)})
    with pytest.raises(Unavailable) as caught:
        names.adapted(spec, ["p"])
    said = "extern vfs_read: the kernel hides the addresses of its symbols from this process: "
    assert str(caught.value) == said + why


def test_a_kernel_without_types_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "BTF", tmp_path)
    monkeypatch.setattr(names, "_VMLINUX", ())
    assert [*RunningKernel().modules()] == []
    with pytest.raises(Unavailable, match=r"does not tell its types: .*vmlinux is not there"):
        assert RunningKernel().types
    (tmp_path / "vmlinux").write_bytes(b"damaged")
    with pytest.raises(Unavailable, match=r"does not tell its types: .*neither BTF nor ELF"):
        assert RunningKernel().types
