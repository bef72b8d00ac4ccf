"""What a probe found, in words: yes, no or unknown, and the reason with the kernel's own errno.

One errno means several things. What it means here is read from what stands beside it: the verifier's log, the
capabilities of this process, the configuration of the kernel.
"""

from __future__ import annotations

import errno
import functools
import re
from dataclasses import dataclass
from typing import Literal

from bpfvm.core.errors import BpfvmError, one_line
from bpfvm.kernel.host import privilege
from bpfvm.kernel.host.names import RunningKernel
from bpfvm.kernel.sys import ENOTSUPP, error_name, error_text

Cause = Literal["", "absent", "configuration", "policy", "setup", "privilege", "hardware", "unasked"]

# include/uapi/linux/bpf.h, kernel/bpf/syscall.c: what a kernel says that does not know a type, a command or a field
_ABSENT = (errno.EINVAL, errno.E2BIG, errno.EOPNOTSUPP, ENOTSUPP, errno.ENOENT, errno.ENODEV, errno.EPROTONOSUPPORT)


@dataclass(frozen=True, slots=True)
class Answer:
    """have: whether this process can use it here; None where it was not found out. reason: one line, "" for a bare yes.

    cause, of a no: "absent" (this kernel does not have it), "configuration" (it is built without), "policy" (the host
    forbids it), "setup" (root can switch it on), "privilege" (this process lacks a capability), "hardware"; of an
    unknown "unasked".
    """

    have: bool | None
    reason: str = ""
    cause: Cause = ""


YES = Answer(True)


class Logged(OSError):
    """A refusal with what the verifier wrote, "" where it was never asked."""

    def __init__(self, number: int, log: str) -> None:
        super().__init__(number, error_text(number))
        self.log = log


def unknown(reason: str) -> Answer:
    """It was not, or could not be, asked."""
    return Answer(None, one_line(reason), "unasked")


def refused(error: OSError, config: tuple[str, ...], needs: tuple[str, ...]) -> Answer:
    """What the kernel's no means. config: options without CONFIG_; needs: capabilities that asking takes."""
    number = error.errno or 0
    name = error_name(number)
    log = getattr(error, "log", "").strip()
    lacks = privilege.lacking(needs) or ()
    if lacks and (log or number == errno.E2BIG):  # the verifier is stricter with programs of who may less
        return forbidden(f"{name}{': ' if log else ''}{words(log)}", needs)
    if log:
        return absent(f"the verifier refuses it ({name}): {words(log)}", config)
    if number in (errno.EPERM, errno.EACCES):
        return forbidden(name, needs)
    if number == errno.ENOSYS:
        return absent("this kernel, or a seccomp profile round this process, has no such system call (ENOSYS)", config)
    if number in _ABSENT:
        return absent(f"this kernel does not know it ({name})", config)
    return unknown(f"the kernel answers {error_text(number)} ({name}), which says nothing of it")


def forbidden(name: str, needs: tuple[str, ...]) -> Answer:
    """A refusal before anything was looked at: this process lacks something, or the host has a rule. name: errno's."""
    lacks = privilege.lacking(needs)
    if lacks is None:
        return Answer(False, f"refused ({name}); it takes {' and '.join(needs) or 'more rights'}", "privilege")
    if lacks:
        return Answer(False, f"this process lacks {' and '.join(lacks)} ({name})", "privilege")
    if privilege.in_user_namespace():
        return Answer(False, f"this process has its capabilities in a user namespace only ({name})", "privilege")
    return Answer(
        False, f"this host's policy forbids it ({name} without a verifier log): seccomp, an LSM or lockdown", "policy"
    )


def absent(reason: str, config: tuple[str, ...]) -> Answer:
    """The kernel does not have it: because it was built so, where its configuration says that."""
    options = configuration()
    missing = [one for one in config if options is not None and one not in options]
    if missing:
        listed = " and ".join(f"CONFIG_{one}" for one in missing)
        return Answer(False, f"this kernel is built without {listed}: {reason}", "configuration")
    return Answer(False, one_line(reason), "absent")


def words(log: str) -> str:
    """The verifier's own reason: the last line of a log that is neither an instruction nor a count."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    said = [line for line in lines if not re.match(r"\d+: |\d+: R|processed \d+|verification time|stack depth", line)]
    return one_line((said or lines or [""])[-1])


@functools.cache
def running() -> RunningKernel:
    """The kernel that this process runs on, its types read once."""
    return RunningKernel()


@functools.cache
def configuration() -> frozenset[str] | None:
    """Options that the running kernel is built with, without CONFIG_; None where it does not tell."""
    try:
        text = running().config
    except BpfvmError:
        return None
    return frozenset(re.findall(r"^CONFIG_(\w+)=[^n]", text, re.MULTILINE))
