"""Why the kernel said EPERM: a capability that this process lacks, or a rule of the host.

The kernel gives one errno for both. What is lacking is read from the process itself; when nothing is, the refusal
comes from something that stands before the verifier: a seccomp profile, an LSM, lockdown.
"""

from __future__ import annotations

import os
from pathlib import Path

from bpfvm.core.errors import Unavailable

# include/uapi/linux/capability.h
_BITS = {
    "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21, "CAP_SYS_RESOURCE": 24,
    "CAP_SYSLOG": 34, "CAP_PERFMON": 38, "CAP_BPF": 39,
}  # fmt: skip

KPTR_RESTRICT = Path("/proc/sys/kernel/kptr_restrict")
PERF_EVENT_PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")

MAP_NEEDS = ("CAP_BPF",)

_WHOLE_HOST = [b"0", b"0", b"4294967295"]  # uid_map of a process that is in no user namespace


def refusal(action: str, needs: tuple[str, ...]) -> Unavailable:
    """The error for an EPERM without a verifier log. action: what was refused ("loading an xdp program")."""
    lacks = lacking(needs)
    if lacks is None:
        return Unavailable(f"{action} is refused (EPERM); it takes {_listed(needs)}: run as root")
    if lacks:
        return Unavailable(
            f"{action} takes {_listed(needs)}, and this process lacks {_listed(lacks)} (EPERM): run as root, or give "
            f"its interpreter what it lacks"
        )
    if in_user_namespace():
        return Unavailable(
            f"{action} takes {_listed(needs)} on the host itself, and this process has its capabilities in a user "
            f"namespace only (EPERM): run as root of the host"
        )
    return Unavailable(
        f"refused by this host's policy: {action} gives EPERM without a verifier log, though this process has "
        f"{_listed(needs)}; a seccomp profile, an LSM or lockdown forbids it, which only the host's owner can change"
    )


def lacking(needs: tuple[str, ...]) -> tuple[str, ...] | None:
    """Those of `needs` that the calling thread has neither itself nor by CAP_SYS_ADMIN; None where /proc is silent."""
    mask = effective()
    if mask is None:
        return None
    return () if _has(mask, "CAP_SYS_ADMIN") else tuple(name for name in needs if not _has(mask, name))


def held() -> tuple[str, ...] | None:
    """Those capabilities of the calling thread that matter to bpf(2), by name; None where /proc does not tell."""
    mask = effective()
    return None if mask is None else tuple(name for name in _BITS if _has(mask, name))


def hiding_symbols() -> str:
    """What hides the addresses of /proc/kallsyms from this process, and what would show them."""
    try:
        restrict = KPTR_RESTRICT.read_text(encoding="ascii").strip()
        paranoid = PERF_EVENT_PARANOID.read_text(encoding="ascii").strip()
    except OSError:
        restrict = paranoid = ""
    return why_hidden(restrict, paranoid)


def why_hidden(restrict: str, paranoid: str) -> str:
    """The rule by which addresses are hidden (kernel/ksyms_common.c, kallsyms_show_value). "" for what is not known."""
    if restrict == "2":
        return "kernel.kptr_restrict is 2, which hides them from every process; 1 shows them to those with CAP_SYSLOG"
    lacks = "they take CAP_SYSLOG, which this process lacks"
    if restrict == "0" and paranoid:
        return f"{lacks}, or kernel.perf_event_paranoid of 1 or less, which is {paranoid}"
    return f"{lacks} (kernel.kptr_restrict is {restrict})" if restrict else lacks


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(names)


def _has(effective: int, name: str) -> bool:
    return bool(effective >> _BITS[name] & 1)


def user() -> int:
    """The effective user's number; -1 on systems that number no users."""
    return os.geteuid() if hasattr(os, "geteuid") else -1


def effective() -> int | None:
    """The calling thread's effective capabilities, or None where /proc does not tell."""
    try:
        with open("/proc/thread-self/status", "rb") as status:  # as bytes: a codec may be out of this user's reach
            for line in status:
                if line.startswith(b"CapEff:"):
                    return int(line.split()[1], 16)
    except OSError:
        return None
    return None


def in_user_namespace() -> bool:
    """Whether this process lives in a user namespace, where its capabilities are not the host's."""
    try:
        with open("/proc/self/uid_map", "rb") as rows:
            return rows.read().split() != _WHOLE_HOST
    except OSError:
        return False
