"""What `bpfvm doctor` tells, as data: engines, packages, privileges and features, each with yes, no or unknown.

A finding never raises: what cannot be found out is unknown, with the reason.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bpfvm.core.errors import BpfvmError, one_line
from bpfvm.run.backend import ENGINES
from bpfvm.tables import features as table
from bpfvm.tables.features import GROUPS, Feature
from bpfvm.tables.helpers import HELPERS
from bpfvm.tables.progs import PROGRAM_TYPES


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. have: True, False, or None for what is not known. remedy: what to do, "" where nothing can be done.

    since, purpose: of features, else "". detail: a version or a place of what is there.
    """

    name: str
    group: str
    have: bool | None
    reason: str = ""
    remedy: str = ""
    cause: str = ""
    since: str = ""
    purpose: str = ""
    detail: str = ""

    def document(self) -> dict[str, Any]:
        """Ready for JSON; texts that say nothing are left out."""
        texts = ("detail", "reason", "cause", "remedy", "since", "purpose")
        told = {key: getattr(self, key) for key in texts if getattr(self, key)}
        return {"name": self.name, "group": self.group, "have": self.have, **told}


# module -> distribution, the extra of bpfvm that brings it ("" for what bpfvm always needs), what it is for
PACKAGES: tuple[tuple[str, str, str, str], ...] = (
    ("numpy", "numpy", "", "tables and events as arrays"),
    ("click", "click", "", "the command line"),
    ("rich", "rich", "", "text on terminals"),
    ("llvmlite", "llvmlite", "jit", "the native engine"),
    ("unicorn", "unicorn", "uprobes", "programs of this host under emulation"),
    ("elftools", "pyelftools", "uprobes", "programs of this host under emulation"),
    ("scapy", "scapy", "net", "packets as objects"),
    ("pyroute2", "pyroute2", "net", "network devices and namespaces"),
    ("distributed", "distributed", "dask", "captures and random programs over a cluster"),
)

_REMEDIES: Mapping[str, str] = {
    "configuration": "use a kernel that is built with it",
    "policy": "only the host's owner can change it",
    "privilege": "run as root, or give the interpreter what it lacks",
    "hardware": "use a machine that has it",
}


def heading() -> dict[str, str]:
    """Versions: of bpfvm, Python and the system."""
    try:
        version = importlib.metadata.version("bpfvm")
    except importlib.metadata.PackageNotFoundError:
        version = "(not installed)"
    return {
        "bpfvm": version,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": " ".join(one for one in (platform.system(), platform.release(), platform.machine()) if one),
    }


def engines() -> list[Finding]:
    """The machines that programs run on. cpython runs the function itself, so it is always there."""
    found = [Finding("cpython", "engines", True)]
    for row in ENGINES:
        try:
            reason = row.missing()
        except (BpfvmError, ImportError, OSError) as error:
            reason = str(error) or type(error).__name__
        found.append(Finding(row.name, "engines", reason is None, one_line(reason or "")))
    return found


def packages() -> list[Finding]:
    """Python packages, without importing them."""
    return [_package(*row) for row in PACKAGES]


def _package(module: str, distribution: str, extra: str, purpose: str) -> Finding:
    try:
        missing = importlib.util.find_spec(module) is None
    except (ImportError, ValueError):
        missing = True
    if missing:
        wanted = f"bpfvm[{extra}]" if extra else "bpfvm"
        return Finding(distribution, "packages", False, "not installed", f"pip install '{wanted}'", purpose=purpose)
    try:
        version = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        version = ""
    return Finding(distribution, "packages", True, purpose=purpose, detail=version)


# What a capability is for here; include/uapi/linux/capability.h
_CAPABILITIES: Mapping[str, str] = {
    "CAP_BPF": "maps and programs",
    "CAP_PERFMON": "programs for tracing",
    "CAP_NET_ADMIN": "programs for networking",
    "CAP_SYS_ADMIN": "programs, maps and links by number; namespaces; all that CAP_BPF and CAP_PERFMON allow",
    "CAP_SYS_RESOURCE": "a higher RLIMIT_MEMLOCK, which kernels before 5.11 need",
    "CAP_SYSLOG": "addresses of kernel symbols",
}


def privileges() -> list[Finding]:
    """Capabilities of this process."""
    try:
        from bpfvm.kernel.host.privilege import held

        has = held()
    except ImportError as error:
        return [Finding(name, "privileges", None, str(error), purpose=use) for name, use in _CAPABILITIES.items()]
    if has is None:
        reason = "capabilities are of Linux" if platform.system() != "Linux" else "/proc does not tell"
        return [Finding(name, "privileges", None, reason, purpose=use) for name, use in _CAPABILITIES.items()]
    return [
        Finding(name, "privileges", name in has, "" if name in has else f"this process lacks it; it is for {use}",
                "" if name in has else _REMEDIES["privilege"], "" if name in has else "privilege", purpose=use)
        for name, use in _CAPABILITIES.items()
    ]  # fmt: skip


def features() -> list[Finding]:
    """Every row of the table, every program type at every attach type, every map type."""
    ask = _asker()
    return [_finding(row, ask) for row in (*table.FEATURES, *table.every_program(), *table.every_map())]


def helpers() -> dict[str, list[str] | None]:
    """For each program type the helpers that it may call; None where the type cannot be loaded here."""
    ask = _asker()
    found: dict[str, list[str] | None] = {}
    for row in PROGRAM_TYPES:
        if not row.number:
            continue
        answers = {one.name: ask(f"helper/{row.name}/{one.name}") for one in HELPERS}
        asked = any(have for have, *_ in answers.values())
        found[row.name] = [name for name, (have, *_) in answers.items() if have] if asked else None
    return found


_Ask = Callable[[str], tuple[bool | None, str, str]]


def _asker() -> _Ask:
    """Name of a feature -> have, reason, cause."""
    try:
        from bpfvm.kernel.features import probe
    except ImportError as error:
        reason = f"the kernel engine cannot be imported here: {error}"
        return lambda name: (None, reason, "unasked")

    def ask(name: str) -> tuple[bool | None, str, str]:
        answer = probe(name)
        return answer.have, answer.reason, answer.cause

    return ask


def _finding(row: Feature, ask: _Ask) -> Finding:
    have, reason, cause = ask(row.name)
    detail, reason = (reason, "") if have else ("", reason)
    remedy = _REMEDIES.get(cause, "")
    if cause == "absent" and row.since and platform.system() == "Linux":
        remedy = f"Linux has it since {row.since}"
    return Finding(row.name, GROUPS[row.group], have, one_line(reason), remedy, cause, row.since, row.purpose, detail)


def document(every: bool) -> dict[str, Any]:
    """All of it, ready for JSON. every: with the helpers of each program type, which takes a second."""
    found = {
        **heading(),
        "engines": [one.document() for one in engines()],
        "packages": [one.document() for one in packages()],
        "privileges": [one.document() for one in privileges()],
        "features": [one.document() for one in features()],
    }
    return {**found, "helpers": helpers()} if every else found


def by_reason(findings: Iterable[Finding]) -> dict[tuple[bool | None, str, str], list[Finding]]:
    """Findings with one answer, reason and remedy together, in order."""
    grouped: dict[tuple[bool | None, str, str], list[Finding]] = {}
    for one in findings:
        grouped.setdefault((one.have, one.reason, one.remedy), []).append(one)
    return grouped
