"""Helpers that the emulator answers only where users say how: what a call of one says."""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.emulator.arguments import Helper, fault
from bpfvm.tables.helpers import BY_NAME, Arg, allowed, call_name
from bpfvm.tables.helpers import Helper as Row
from bpfvm.tables.helpers.allowed import UNKNOWN
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

CONTEXTS = frozenset((Arg.CTX, Arg.CTX_OR_NULL))
_TASK = "no task runs here"
_STACK = "there are no call stacks of a kernel here"
_TYPES = "it needs the kernel's own types"
_TABLES = "there are no routes, devices and neighbours of a host here"
_SOCKETS = "there are no sockets of a host here"
_SYSCALL = "it is a system call on the kernel that loaded the program"
_ITERATOR = "no iterator of a kernel runs here"
_EVENT = "there are no performance counters here"
_SIGNAL = "there is no process to signal"
_VARIABLE = "there are no per-CPU variables of a kernel here"
_PROBED = "no function of a kernel is traced here"

# Why not, for those of which more can be said than that they are not there
_REASONS: Mapping[str, str] = {
    name: reason
    for names, reason in (
        ("get_current_task get_current_task_btf "
         "get_current_cgroup_id get_current_ancestor_cgroup_id get_ns_current_pid_tgid "
         "copy_from_user_task task_pt_regs get_cgroup_classid", _TASK),
        ("get_branch_snapshot read_branch_records", _STACK),
        ("snprintf_btf btf_find_by_name_kind kallsyms_lookup_name sock_from_file", _TYPES),
        ("fib_lookup check_mtu get_route_realm", _TABLES),
        ("sk_lookup_tcp sk_lookup_udp skc_lookup_tcp sk_release sk_fullsock tcp_sock get_listener_sock "
         "get_socket_cookie get_socket_uid sk_cgroup_id sk_ancestor_cgroup_id setsockopt getsockopt", _SOCKETS),
        ("sys_bpf sys_close", _SYSCALL),
        ("seq_printf seq_write seq_printf_btf", _ITERATOR),
        ("perf_prog_read_value", _EVENT),
        ("send_signal send_signal_thread", _SIGNAL),
        ("per_cpu_ptr this_cpu_ptr", _VARIABLE),
        ("override_return get_func_ip get_func_arg get_func_ret get_func_arg_cnt", _PROBED),
        ("probe_write_user", "there is no process whose memory could be written"),
        ("sysctl_get_name sysctl_get_current_value sysctl_get_new_value sysctl_set_new_value",
         "no sysctl is read or written here"),
    )
    for name in names.split()
}  # fmt: skip


def why(name: str) -> str:
    """Why the emulator has no helper of the name, in a clause; "" where no more can be said."""
    return _REASONS.get(name, "")


def how(name: str) -> str:
    """How users give a helper or a kernel function."""
    return f"give it as a Python function: --helper FILE.py:{name}, or helpers={{{name!r}: function}}"


def missing(row: Row) -> Helper:
    """What stands for a helper that the emulator does not have: a fault that names it."""
    return fault(why_missing(row.name))


def why_missing(name: str) -> str:
    """The words of that fault; of helpers too that answer only for what an input tells."""
    reason = f" ({why(name)})" if why(name) else ""
    return f"{call_name(BY_NAME[name].id)} is not emulated in this version{reason}; {how(name)}"


def suits(row: Row, program_type: str) -> bool:
    """Whether a helper of the emulator's, which is written for some contexts, is for what programs of a type give it.

    Where it is not known what they may call (UNKNOWN), for what programs do that have such a context.
    """
    own = row.args_in(program_type)
    if any(one in CONTEXTS and other not in CONTEXTS for one, other in zip(row.args, own, strict=True)):
        return False
    kind = PROGRAM_TYPES.get(program_type)
    if kind is None or program_type not in UNKNOWN or CONTEXTS.isdisjoint(own):
        return True
    alike = (name for name, one in PROGRAM_TYPES.items() if one.context == kind.context and name not in UNKNOWN)
    return any(allowed(row.name, one) and not CONTEXTS.isdisjoint(row.args_in(one)) for one in alike)


def forbidden(row: Row, program_type: str) -> Helper | None:
    """What stands for a helper that programs of the type may not call; None where they may."""
    kind = PROGRAM_TYPES.get(program_type)
    if kind is None or not kind.number or allowed(row.name, program_type) is not False:
        return None
    return fault(f"{call_name(row.id)} is not for {program_type} programs: the kernel refuses to load such a call")
