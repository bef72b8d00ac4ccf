"""The decorators of program kinds: a row each, which tells the ELF section from what the decorator is given.

The section's own row (tables.sections) has the program type, the attach type and the flags of loading, and the program
type's (tables.progs) the context, the layer and the value after a fault. So nothing of that stands here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bpfvm.core.errors import UsageError
from bpfvm.tables import progs, sections


@dataclass(frozen=True, slots=True)
class Form:
    """What a target is: a text of `pattern`, as `example` is one. section: what stands behind the section's slash, made
    of the pattern's groups; "" where the target is not part of the section."""

    pattern: str
    example: str
    section: str = ""


_NAME = r"[\w.]+"
INTERFACE = Form(r"[^/\s]{1,15}", "lo")  # IFNAMSIZ less its zero (include/uapi/linux/if.h)
FUNCTION = Form(r"([\w.*?]+(?:\+(?:0x)?[0-9a-fA-F]+)?)", "do_unlinkat", "{0}")
NAMED = Form(rf"({_NAME})", "task", "{0}")
NAMED_CALL = Form(r"(\w+)", "write", "{0}")
KERNEL = Form(rf"({_NAME})", "tcp_v4_connect", "{0}")
EVENT = Form(rf"({_NAME})[:/]({_NAME})", "sched:sched_switch", "{0}/{1}")
TRACED = Form(rf"(?:{_NAME}[:/])?({_NAME})", "sched_switch", "{0}")
# of C++ and Rust the path of a function: "app:ns::Class::method"
PLACE = Form(r"([^:]+:(?:[\w.@*?]+::)*[\w.@*?]+(?:\+(?:0x)?[0-9a-fA-F]+)?)", "/bin/bash:readline", "{0}")
USDT = Form(r"([^:]+:[^:]+:[^:]+)", "/usr/bin/python3:python:function__entry", "{0}")
ENTRY = Form(rf"({_NAME})", "openat", "syscalls/sys_enter_{0}")
EXIT = Form(rf"({_NAME})", "openat", "syscalls/sys_exit_{0}")
SAMPLED = Form(r"[\w-]+", "cpu-clock")


@dataclass(frozen=True, slots=True)
class Kind:
    """One decorator, `bpf.NAME`.

    words: what may be said in place of a target, with the section of each: `@bpf.cgroup_skb("egress")`; "" is the
    section without one, where that is enough. target: what its targets are, None where it takes none. needs: it means
    nothing without an argument. on_fault: the value after a fault, where it is not that of the program type.
    """

    name: str
    words: Mapping[str, str]
    target: Form | None = None
    needs: bool = False
    on_fault: int | None = None

    @property
    def example(self) -> str:
        """How it is used."""
        if not self.needs:
            return f"@bpf.{self.name}"
        given = self.target.example if self.target is not None else next(iter(self.words))
        return f'@bpf.{self.name}("{given}")'

    def options(self) -> tuple[str, ...]:
        """Which of OPTIONS it has."""
        return tuple(one for one in OPTIONS if any(_option(one, name) is not None for name in self.words.values()))

    def named(self, given: tuple[str, ...], options: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The ELF sections for what the decorator was given, one for each target that is part of a section, else one.
        UsageError, with what it takes, for anything else."""
        word, targets = (given[0], given[1:]) if given and given[0] in self.words else ("", given)
        if self.needs and not given:
            raise UsageError(f"bpf.{self.name} needs {self._takes()}: {self.example}")
        if word not in self.words:
            raise UsageError(f"bpf.{self.name} takes {self._takes()}, not {given[0]!r}: {self.example}")
        name = self.words[word]
        for one in options:
            found = _option(one, name)
            if found is None:
                raise UsageError(f"bpf.{self.name}: a program in section {name} has no option {one!r}")
            name = found
        behind = [self._behind(one) for one in targets]
        twice = next((one for one in targets if targets.count(one) > 1), None)
        if twice is not None:
            raise UsageError(f"bpf.{self.name} names {twice!r} twice; one program is attached to a target once")
        return tuple(f"{name}/{one}" for one in behind if one) or (name,)

    def _behind(self, target: str) -> str:
        """What a target adds to the section."""
        found = re.fullmatch(self.target.pattern, target) if self.target is not None else None
        if self.target is None or found is None:
            raise UsageError(f"bpf.{self.name} takes {self._takes()}, not {target!r}: {self.example}")
        return self.target.section.format(*found.groups())

    def _takes(self) -> str:
        words = [repr(one) for one in self.words if one]
        texts = [f"one of {', '.join(words)}"] if words else []
        texts += [f"a target such as {self.target.example!r}"] if self.target is not None else []
        return " or ".join(texts) or "no argument"


# Options of decorators that load programs otherwise, with what they add to the name of a section.
OPTIONS: Mapping[str, str] = {"sleepable": ".s", "frags": ".frags", "writable": ".w"}

_ROWS = {row.name: row for row in sections.SECTIONS}


def _option(option: str, section: str) -> str | None:
    """The section of programs with an option, None where they cannot have it. Frags of an skb are no affair of the
    kernel's: such programs are loaded as any other."""
    found = _with(option, section)
    if found in _ROWS:
        return found
    kind = progs.BY_NAME[sections.of_section(section).program_type]
    return section if option == "frags" and kind.direct and kind.context == "__sk_buff" else None


def _with(option: str, section: str) -> str:
    """The section with an option: "xdp/devmap" and frags make "xdp.frags/devmap"."""
    stem, slash, rest = section.partition("/")
    return f"{stem}{OPTIONS[option]}{slash}{rest}"


def _plain(name: str, section: str = "") -> Kind:
    return Kind(name, {"": section or name})


def _probe(name: str, target: Form) -> Kind:
    return Kind(name, {"": name}, target, needs=_ROWS[name].btf)


def _cgroup(*names: str) -> dict[str, str]:
    return {name: f"cgroup/{name}" for name in names}


_ADDRESSES = ("bind", "connect", "sendmsg", "recvmsg", "getpeername", "getsockname")

KINDS: tuple[Kind, ...] = (
    # Packets
    Kind("xdp", {"": "xdp", "devmap": "xdp/devmap", "cpumap": "xdp/cpumap"}),
    Kind("tc", {"": "tc", "ingress": "tc/ingress", "egress": "tc/egress"}),
    _plain("tc_action", "action"),
    Kind("netkit", {"primary": "netkit/primary", "peer": "netkit/peer"}, needs=True),
    Kind("socket", {"": "socket"}, INTERFACE),
    Kind("cgroup_skb", {"": "cgroup/skb", "ingress": "cgroup_skb/ingress", "egress": "cgroup_skb/egress"}),
    _plain("lwt_in"),
    _plain("lwt_out"),
    _plain("lwt_xmit"),
    _plain("lwt_seg6local"),
    _plain("flow_dissector"),
    _plain("netfilter"),
    # Sockets
    Kind("cgroup_sock", {"": "cgroup/sock", "create": "cgroup/sock_create", "release": "cgroup/sock_release",
                         **_cgroup("post_bind4", "post_bind6")}),
    Kind("sock_addr", _cgroup(*(f"{one}{ip}" for one in _ADDRESSES for ip in "46"),
                              *(f"{one}_unix" for one in _ADDRESSES[1:])), needs=True),
    Kind("sockopt", _cgroup("getsockopt", "setsockopt"), needs=True),
    _plain("sock_ops", "sockops"),
    _plain("sk_lookup"),
    _plain("sk_msg"),
    Kind("sk_skb", {"": "sk_skb", "stream_parser": "sk_skb/stream_parser", "stream_verdict": "sk_skb/stream_verdict",
                    "verdict": "sk_skb/verdict"}),
    Kind("sk_reuseport", {"": "sk_reuseport", "migrate": "sk_reuseport/migrate"}),
    # Cgroups
    _plain("sysctl", "cgroup/sysctl"),
    _plain("device", "cgroup/dev"),
    # Tracing
    _probe("kprobe", FUNCTION),
    _probe("kretprobe", FUNCTION),
    Kind("kretsyscall", {"": "kretsyscall"}, NAMED_CALL, needs=True),
    _probe("uprobe", PLACE),
    _probe("uretprobe", PLACE),
    _probe("usdt", USDT),
    _probe("tracepoint", EVENT),
    Kind("syscall", {"": "tracepoint"}, ENTRY, needs=True),
    Kind("syscall_exit", {"": "tracepoint"}, EXIT, needs=True),
    _probe("raw_tracepoint", TRACED),
    _probe("tp_btf", TRACED),
    _probe("fentry", KERNEL),
    _probe("fexit", KERNEL),
    _probe("fmod_ret", KERNEL),
    _probe("lsm", KERNEL),
    Kind("lsm_cgroup", {"": "lsm_cgroup"}, KERNEL, needs=True, on_fault=1),  # 0 refuses, as of all that cgroups run
    _probe("freplace", KERNEL),
    _probe("iter", NAMED),
    Kind("perf_event", {"": "perf_event"}, SAMPLED),
    # The rest
    _probe("struct_ops", NAMED),
    _plain("syscall_prog", "syscall"),
    _plain("lirc_mode2"),
)  # fmt: skip

BY_NAME: Mapping[str, Kind] = {row.name: row for row in KINDS}
