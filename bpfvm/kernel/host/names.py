"""What the running kernel says of itself: configuration, symbols, version and types, each read when it is asked for.

The files, in the order in which they are tried, are those of libbpf:

    configuration   /boot/config-RELEASE, /proc/config.gz
    symbols         /proc/kallsyms
    types           /sys/kernel/btf/vmlinux, then the places where distributions put a vmlinux with BTF
    modules' types  /sys/kernel/btf/MODULE, which continue the kernel's
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bpfvm.core.errors import BpfvmError, LoadError, Unavailable
from bpfvm.isa.codec import SLOT, encode
from bpfvm.isa.insn import insn
from bpfvm.kernel.host.modules import bound_to_modules
from bpfvm.kernel.host.privilege import hiding_symbols
from bpfvm.kernel.sys import PROG_LOAD, Fd, ProgLoad, address, bpf, switched_off
from bpfvm.obj.btf.index import BtfIndex, open_index
from bpfvm.obj.core.externs import KCONFIG, SymbolsHidden, resolved
from bpfvm.obj.core.relocations import relocate
from bpfvm.obj.model import ObjectSpec

BTF = Path("/sys/kernel/btf")
_VMLINUX = (
    "/boot/vmlinux-{0}",
    "/lib/modules/{0}/vmlinux-{0}",
    "/lib/modules/{0}/build/vmlinux",
    "/usr/lib/modules/{0}/kernel/vmlinux",
    "/usr/lib/debug/boot/vmlinux-{0}",
    "/usr/lib/debug/boot/vmlinux-{0}.debug",
    "/usr/lib/debug/lib/modules/{0}/vmlinux",
)
_CONFIG = ("/boot/config-{0}", "/proc/config.gz")
_WRAPPERS = {"x86_64": "x64", "aarch64": "arm64", "riscv64": "riscv", "s390x": "s390x"}  # __x64_sys_read
_TRACEPOINT = 5  # BPF_PROG_TYPE_TRACEPOINT
_COOKIE = 174  # bpf_get_attach_cookie
_EXTERN = ("lddw", "lddw_btf_id", "call_kfunc")


def adapted(spec: ObjectSpec, programs: Collection[str]) -> tuple[ObjectSpec, tuple[str, ...]]:
    """`spec` with these programs made ready for the running kernel: CO-RE relocations resolved, externs bound; and the
    modules that their instructions count from 1. What other programs want of the kernel is not asked for.

    LoadError for what this kernel does not have, Unavailable where it does not tell.
    """
    part = _part(spec, programs)
    if not part.externs and not any(one.core for one in part.programs.values()):
        return spec, ()
    kernel, modules = RunningKernel(), tuple[str, ...]()
    if any(one.core for one in part.programs.values()):
        part = relocate(part, kernel.types, "", kernel.modules)
    if any(one.kind == "kfunc" or (one.kind == "ksym" and one.type) for one in part.externs.values()):
        part, modules = bound_to_modules(part, kernel.types, kernel.named_modules)
    try:
        part = resolved(part, kernel)
    except SymbolsHidden as error:
        raise Unavailable(f"{error}: {hiding_symbols()}") from None
    return replace(spec, programs={**spec.programs, **part.programs}, maps=part.maps), modules


def _part(spec: ObjectSpec, programs: Collection[str]) -> ObjectSpec:
    """The programs alone, with the externs that they name. Values of .kconfig go together."""
    found = {name: one for name, one in spec.programs.items() if name in programs}
    named = {one.symbol for program in found.values() for one in program.insns if one.op.name in _EXTERN}
    has_values = any(KCONFIG in one.map_names for one in found.values())
    wanted = {key: one for key, one in spec.externs.items() if key in named or (has_values and one.kind == "kconfig")}
    return replace(spec, programs=found, externs=wanted)


class RunningKernel:
    """The kernel that this process runs on; a KernelNames of obj.core.externs."""

    @functools.cached_property
    def release(self) -> str:
        """As `uname -r` prints it."""
        return os.uname().release

    @functools.cached_property
    def config(self) -> str:
        """The text of the configuration. Unavailable where this kernel does not give it."""
        places = [one.format(self.release) for one in _CONFIG]
        for place in places:
            with contextlib.suppress(OSError, EOFError, zlib.error):
                return _text(Path(place))
        raise Unavailable(f"no configuration of this kernel: neither {' nor '.join(places)} is there")

    @functools.cached_property
    def kallsyms(self) -> bytes:
        """The text of /proc/kallsyms."""
        try:
            return Path("/proc/kallsyms").read_bytes()
        except OSError as error:
            raise Unavailable(f"/proc/kallsyms: {error.strerror}") from None

    @functools.cached_property
    def facts(self) -> Mapping[str, int]:
        """The values that .kconfig knows under names of its own."""
        return _Facts(self)

    @functools.cached_property
    def types(self) -> BtfIndex:
        """Types of the kernel itself. Unavailable where it has none that can be read."""
        places = [BTF / "vmlinux", *(Path(one.format(self.release)) for one in _VMLINUX)]
        failed: LoadError | None = None
        for path in places:
            if path.exists():
                try:
                    return open_index(path)
                except LoadError as error:
                    failed = failed or error
        reason = (
            failed or f"{BTF}/vmlinux is not there, nor is a vmlinux with BTF in /boot, /lib/modules, /usr/lib/debug"
        )
        raise Unavailable(f"this kernel does not tell its types: {reason}")

    def modules(self) -> Iterator[BtfIndex]:
        """Types of each module that is loaded. One that goes away meanwhile is left out."""
        return (types for _, types in self.named_modules())

    def named_modules(self) -> Iterator[tuple[str, BtfIndex]]:
        """Each module that is loaded, with its types."""
        if not BTF.is_dir():
            return
        for path in sorted(BTF.iterdir()):
            if path.name != "vmlinux":
                with contextlib.suppress(LoadError):
                    yield path.name, open_index(path, self.types)


class _Facts(Mapping[str, int]):
    """Name -> number, found out when it is asked for."""

    def __init__(self, kernel: RunningKernel) -> None:
        self._kernel = kernel

    def __getitem__(self, name: str) -> int:
        match name:
            case "LINUX_KERNEL_VERSION":
                return version_code(os.uname().release, os.uname().version, _signature())
            case "LINUX_HAS_BPF_COOKIE":
                return int(_has_cookie())
            case "LINUX_HAS_SYSCALL_WRAPPER":
                return int(_has_wrapper(self._kernel))
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(("LINUX_KERNEL_VERSION", "LINUX_HAS_BPF_COOKIE", "LINUX_HAS_SYSCALL_WRAPPER"))

    def __len__(self) -> int:
        return 3


def _text(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".gz":
        import gzip

        data = gzip.decompress(data)
    return data.decode(errors="surrogateescape")


def _signature() -> str:
    try:
        return Path("/proc/version_signature").read_text(errors="replace")
    except OSError:
        return ""


def version_code(release: str, version: str = "", signature: str = "") -> int:
    """KERNEL_VERSION(a, b, c) of uname's release. Ubuntu and Debian put the true patch level elsewhere: the third word
    of /proc/version_signature, and behind "Debian " in uname's version.
    """
    for text, pattern in (
        (signature, r"\S+ \S+ (\d+)\.(\d+)\.(\d+)"),
        (version, r".*\bDebian (\d+)\.(\d+)\.(\d+)"),
        (release, r"(\d+)\.(\d+)(?:\.(\d+))?"),
    ):
        found = re.match(pattern, text)
        if found:
            major, minor, patch = (int(one or 0) for one in found.groups())
            return (major << 16) + (minor << 8) + min(patch, 255)
    raise Unavailable(f"the kernel's release {release!r} does not begin with a version")


def _has_cookie() -> bool:
    """Whether a tracepoint program may ask for its cookie: found by loading one."""
    if switched_off() is not None:
        return False
    code = encode([insn("call", imm=_COOKIE), insn("exit")], sys.byteorder)
    license = b"GPL\0"
    attr = ProgLoad(prog_type=_TRACEPOINT, insn_cnt=len(code) // SLOT, insns=address(code), license=address(license))
    try:
        Fd(bpf(PROG_LOAD, attr)).close()
    except (OSError, BpfvmError):
        return False
    return True


def _has_wrapper(kernel: RunningKernel) -> bool:
    """Whether system calls are functions of one argument, the registers. libbpf tries a kprobe on __x64_sys_bpf: so the
    symbol has to be there, and kprobes.
    """
    prefix = _WRAPPERS.get(os.uname().machine)
    kprobes = (
        "/sys/bus/event_source/devices/kprobe/type",
        "/sys/kernel/tracing/kprobe_events",
        "/sys/kernel/debug/tracing/kprobe_events",
    )
    if prefix is None or not any(os.path.exists(one) for one in kprobes):
        return False
    return re.search(rf" __{prefix}_sys_bpf$".encode(), kernel.kallsyms, re.MULTILINE) is not None
