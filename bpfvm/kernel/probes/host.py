"""Probes of the host: mounts, settings and rules that bear on bpf(2). They read; nothing is mounted or set."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bpfvm.core.errors import BpfvmError
from bpfvm.kernel.host import privilege
from bpfvm.kernel.host.names import BTF
from bpfvm.kernel.probes import link as probes_link
from bpfvm.kernel.probes import load as probes_load
from bpfvm.kernel.probes.answers import YES, Answer, Cause, absent, configuration, running, unknown
from bpfvm.kernel.sys import switched_off
from bpfvm.tables import features
from bpfvm.tables.features import Feature

_SECURITY = Path("/sys/kernel/security")
_LSM_BPF = 109  # include/uapi/linux/lsm.h, measured on 6.18
_POLICY: Cause = "policy"


def host(feature: Feature, name: str) -> Answer:
    """A fact of the host, by its row in _FACTS."""
    return _FACTS[name](feature)


def vmlinux(feature: Feature) -> Answer:
    """Types of the running kernel, found and read."""
    try:
        count = len(running().types)
    except BpfvmError as error:
        return absent(str(error), feature.config)
    return Answer(True, f"{count} types")


def module_types(feature: Feature) -> Answer:
    """Whether modules bring types. A kernel without modules has none to bring."""
    if not BTF.is_dir():
        return absent(f"{BTF} is not there", feature.config)
    modules = [one for one in os.listdir(BTF) if one != "vmlinux"]
    if modules:
        return Answer(True, f"{len(modules)} modules")
    if os.path.exists("/proc/modules") and not _text("/proc/modules").strip():
        return unknown("no module is loaded, so none can show its types")
    return absent(f"{BTF} holds types of no module", ("MODULES", *feature.config))


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _mounts(kind: str) -> Iterator[str]:
    """Where file systems of a kind are mounted."""
    for line in _text("/proc/self/mounts").splitlines():
        words = line.split()
        if len(words) > 2 and words[2] == kind:
            yield re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), words[1])


def _mounted(kind: str, known: str, remedy: str) -> Callable[[Feature], Answer]:
    def answer(feature: Feature) -> Answer:
        places = list(_mounts(kind))
        if places:
            return Answer(True, f"mounted at {places[0]}")
        if not re.search(rf"\t{known}$", _text("/proc/filesystems"), re.MULTILINE):
            return absent(f"the kernel has no file system {known}", feature.config)
        return Answer(False, f"the kernel has {known}, but it is not mounted: {remedy}", "setup")

    return answer


def _jit(feature: Feature) -> Answer:
    text = _text("/proc/sys/net/core/bpf_jit_enable").strip()
    if text in ("1", "2"):
        return YES
    options = configuration()
    if options is not None and "BPF_JIT_ALWAYS_ON" in options:
        return YES
    if text == "0":
        return Answer(False, "net.core.bpf_jit_enable is 0: programs are interpreted", "policy")
    if options is None:
        return unknown("net.core.bpf_jit_enable cannot be read")
    return absent("net.core.bpf_jit_enable is not there", feature.config)


def _unprivileged(_: Feature) -> Answer:
    text = _text("/proc/sys/kernel/unprivileged_bpf_disabled").strip()
    if text == "0":
        return YES
    if not text:
        return unknown("kernel.unprivileged_bpf_disabled cannot be read")
    until = "until the next boot" if text == "1" else "until root sets it to 0"
    return Answer(False, f"kernel.unprivileged_bpf_disabled is {text}, {until}", _POLICY)


def _lockdown(_: Feature) -> Answer:
    """Read where it is shown; else found by the helpers that lockdown takes away."""
    level = re.search(r"\[(\w+)\]", _text(_SECURITY / "lockdown"))
    if level:
        return YES if level[1] == "none" else Answer(False, f"the kernel is locked down: {level[1]}", _POLICY)
    off = switched_off()
    if off is not None:
        return unknown(off)
    read, write = (
        probes_load.helper(features.feature(f"helper/kprobe/{name}"), "kprobe", name)
        for name in ("probe_read_kernel", "probe_write_user")
    )
    if write.have:
        return YES
    refusal = next((one for one in (read, write) if one.cause == _POLICY and "locked down" in one.reason), None)
    if refusal is not None:
        return refusal
    return unknown(f"{_SECURITY}/lockdown is not there, and no kprobe program can be loaded to tell")


def _lsm(feature: Feature) -> Answer:
    text = _text(_SECURITY / "lsm").strip()
    modules = probes_link.security_modules() if not text else None
    if not text and modules is None:
        return unknown(f"{_SECURITY}/lsm is not there (securityfs is not mounted)")
    if "bpf" in text.split(",") or _LSM_BPF in (modules or ()):
        return YES
    options = configuration()
    if options is not None and "BPF_LSM" not in options:
        return absent("bpf is not among the security modules", feature.config)
    return Answer(False, "bpf is not among the active security modules: boot with lsm=...,bpf", _POLICY)


def _memlock(_: Feature) -> Answer:
    import resource

    soft, _hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return Answer(True, "no limit" if soft == resource.RLIM_INFINITY else f"{soft >> 10} KiB")


def _user_namespaces(feature: Feature) -> Answer:
    if not os.path.exists("/proc/self/ns/user"):
        return absent("/proc/self/ns/user is not there", feature.config)
    inside = "this process is in one" if privilege.in_user_namespace() else ""
    if _text("/proc/sys/user/max_user_namespaces").strip() == "0":
        return Answer(False, "user.max_user_namespaces is 0", _POLICY)
    if _text("/proc/sys/kernel/unprivileged_userns_clone").strip() == "0":
        return Answer(False, "kernel.unprivileged_userns_clone is 0", _POLICY)
    return Answer(True, inside)


def _config(_: Feature) -> Answer:
    try:
        running().config.strip()
    except BpfvmError as error:
        return Answer(False, str(error), "absent")
    return YES


def _kallsyms(feature: Feature) -> Answer:
    try:
        with open("/proc/kallsyms", "rb") as symbols:
            first = symbols.read(1 << 12)
    except OSError as error:
        return absent(f"/proc/kallsyms: {error.strerror}", feature.config)
    if re.search(rb"^0*[1-9a-f]", first, re.MULTILINE):
        return YES
    why = f"all addresses of /proc/kallsyms are 0: {privilege.hiding_symbols()}"
    everybody = _text(str(privilege.KPTR_RESTRICT)).strip() == "2"
    return Answer(False, why, _POLICY if everybody else "privilege")


_FACTS: Mapping[str, Callable[[Feature], Answer]] = {
    "jit": _jit,
    "unprivileged": _unprivileged,
    "lockdown": _lockdown,
    "lsm": _lsm,
    "memlock": _memlock,
    "cgroup2": _mounted("cgroup2", "cgroup2", "mount -t cgroup2 none /sys/fs/cgroup"),
    "tracefs": _mounted("tracefs", "tracefs", "mount -t tracefs none /sys/kernel/tracing"),
    "bpffs": _mounted("bpf", "bpf", "mount -t bpf none /sys/fs/bpf"),
    "userns": _user_namespaces,
    "config": _config,
    "kallsyms": _kallsyms,
}
