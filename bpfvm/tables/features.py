"""What kernels have and others lack: one row a feature, how it is probed, since when it is there, what it is for.

`since` is a fact for texts and tests, and no probe reads it: the release in which the feature is known to have come.
Every row was probed on 6.18; older kernels were not asked. Program types, attach types, map types and helpers have
tables of their own; names made of them ("map/ringbuf", "program/sched_cls/tcx_ingress", "helper/xdp/redirect_map",
"kfunc/bpf_throw") are features, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bpfvm.core.errors import UsageError
from bpfvm.tables import attach, helpers, maps, progs


@dataclass(frozen=True, slots=True)
class Feature:
    """name: what it is asked for by. group: a key of GROUPS. probe: the kind of probe, then its words.

    since: the first kernel that has it, "" where that is not a question of the kernel's version. purpose: what it is
    for. config: options that the kernel must be built with. needs: capabilities that asking, or using, takes.
    """

    name: str
    group: str
    probe: str
    since: str
    purpose: str
    config: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


GROUPS: Mapping[str, str] = {
    "programs": "programs",
    "isa": "instructions",
    "maps": "maps",
    "btf": "BTF",
    "helpers": "helpers and kernel functions",
    "attach": "attaching",
    "tracing": "tracing",
    "commands": "commands of bpf(2)",
    "host": "this host",
}

_BPF = ("CAP_BPF",)
_NET, _TRACE = (*_BPF, "CAP_NET_ADMIN"), (*_BPF, "CAP_PERFMON")
_ADMIN, _PERF = ("CAP_SYS_ADMIN",), ("CAP_PERFMON",)
_CGROUP, _FTRACE = ("CGROUP_BPF",), ("DYNAMIC_FTRACE_WITH_DIRECT_CALLS",)


def _rows(group: str, *rows: tuple[str, str, str, str] | tuple[str, str, str, str, tuple[str, ...]],
          needs: tuple[str, ...] = _BPF) -> tuple[Feature, ...]:  # fmt: skip
    """Rows of a group: name, probe, since, purpose, and options of the configuration."""
    return tuple(Feature(row[0], group, row[1], row[2], row[3], row[4] if len(row) == 5 else (), needs) for row in rows)


_PROGRAMS = _rows("programs",
    ("bpf", "bpf", "3.18", "the system call bpf(2), which everything here goes through", ("BPF_SYSCALL",)),
    ("prog_names", "load name", "4.15", "program names in bpftool and in the kernel's own lists"),
    ("func_info", "load func_info", "5.0", "function names of programs; functions that are verified by themselves"),
    ("line_info", "load line_info", "5.0", "source lines in verifier logs"),
    ("local_calls", "load local_call", "4.16", "functions of a program that are called, not inlined"),
    ("global_functions", "load global_function", "5.6", "functions that are verified once for all callers"),
    ("pointer_arguments", "load pointer_argument", "5.12", "memory lent to functions that are verified once"),
    ("lent_keys", "load lent_key", "6.2", "records and memory that a global function is lent as keys of maps"),
    ("large_programs", "load large", "5.2", "programs of more than 4096 instructions, up to a million verified"),
    ("bounded_loops", "load loop", "5.3", "loops that need not be unrolled"),
    ("sleepable_queues", "load sleepable_queue", "6.12", "queues and stacks in programs that may wait"),  # not in 6.1
    ("sleepable_uprobes", "load sleepable", "6.0", "uprobe programs that may wait, to read memory that is paged out"),
)  # fmt: skip

_XDP = _rows("programs",
    ("xdp_frags", "load frags", "5.18", "XDP on packets of several buffers (jumbo frames)"),
    ("xdp_live_frames", "live_frames", "5.18", "TEST_RUN that sends XDP's frames out; packet generators"),
    needs=_NET,
)  # fmt: skip

_ISA = _rows("isa",
    ("isa_v2", "load jlt64_k", "4.14", "jumps by less-than"),
    ("isa_v3", "load jeq32_k", "5.1", "32-bit jumps; the instruction set that bpfvm compiles to"),
    ("isa_v4", "load movs8_64", "6.6", "sign extension, signed division, byte swaps, long jumps"),
    ("atomics", "load atomic_fetch_add64", "5.12", "atomic operations that give the old value, exchange, compare"),
    ("may_goto", "load may_goto", "6.9", "loops that the kernel itself ends in time"),
    ("acquire_release", "load load_acquire64", "6.15", "loads and stores that order memory"),
)  # fmt: skip

_MAPS = _rows("maps",
    ("map_names", "make name", "4.15", "map names in bpftool and in the kernel's own lists"),
    ("map_btf", "make btf", "4.18", "types of keys and values, kept with a map"),
    ("map_freeze", "make freeze", "5.2", "contents that the verifier takes for constants (.rodata)"),
    ("global_data", "load lddw_map_value", "5.2", "global variables of programs (.data, .bss)"),
    ("map_mmap", "make mmapable", "5.5", "arrays that user space reads and writes as memory"),
    ("map_batch", "make batch", "5.6", "many elements in one call; ten times faster tables"),
    ("map_pop", "make pop", "5.14", "look-up and removal of an element of a hash in one step"),
)  # fmt: skip

_BTF = _rows("btf",
    ("btf_load", "types int", "4.18", "types that a program brings along", ("BPF_SYSCALL",)),
    ("btf_func", "types func", "5.0", "types of functions"),
    ("btf_datasec", "types datasec", "5.2", "types of global variables"),
    ("btf_global_func", "types global_func", "5.6", "linkage of functions"),
    ("btf_float", "types float", "5.13", "floating-point members of kernel structures"),
    ("btf_decl_tag", "types decl_tag", "5.16", "tags on functions, variables and members"),
    ("btf_type_tag", "types type_tag", "5.17", "tags on types: kptrs"),
    ("btf_enum64", "types enum64", "6.0", "enumerators of 64 bits"),
)  # fmt: skip

_VMLINUX = _rows("btf",
    ("vmlinux_btf", "vmlinux", "5.4", "the kernel's own types: CO-RE, fentry, iterators, kfuncs", ("DEBUG_INFO_BTF",)),
    ("module_btf", "module_btf", "5.11", "types of kernel modules", ("DEBUG_INFO_BTF_MODULES",)),
    needs=(),
)  # fmt: skip

_HELPERS = _rows("helpers",
    ("probe_read_kernel", "helper kprobe probe_read_kernel", "5.5", "reading kernel memory by its own helper"),
    ("probe_write_user", "helper kprobe probe_write_user", "4.8", "writing to user memory; lockdown forbids it"),
    ("override_return", "helper kprobe override_return", "4.16", "changing what a kernel function returns",
     ("BPF_KPROBE_OVERRIDE",)),
    ("bpf_cookie", "helper tracepoint get_attach_cookie", "5.15", "a number for each place a program is attached to"),
    ("timers", "helper sched_cls timer_init", "5.15", "programs that go on later"),
    ("bpf_loop", "helper xdp loop", "5.17", "loops of any length"),
    ("kptrs", "helper sched_cls kptr_xchg", "5.19", "kernel objects kept in maps"),
    ("dynptrs", "helper xdp dynptr_from_mem", "5.19", "memory whose size is known late"),
    needs=_TRACE,
) + _rows("helpers",
    ("task_kfuncs", "kfunc bpf_task_from_pid", "6.2", "tasks by number, held"),
    ("object_kfuncs", "kfunc bpf_obj_new_impl", "6.2", "objects that programs make: lists and trees"),
    ("cpumask_kfuncs", "kfunc bpf_cpumask_create", "6.3", "sets of CPUs"),
    ("iterator_kfuncs", "kfunc bpf_iter_num_new", "6.4", "for loops over numbers, tasks, files"),
    ("packet_dynptrs", "kfunc bpf_dynptr_from_skb", "6.4", "packets read by dynptr"),
    ("exceptions", "kfunc bpf_throw", "6.7", "ending a program from inside a function"),
    ("arena_kfuncs", "kfunc bpf_arena_alloc_pages", "6.9", "pages of an arena"),
    ("workqueues", "kfunc bpf_wq_init", "6.10", "programs that go on later, and may sleep"),
    needs=(),
)  # fmt: skip

_ATTACH = _rows("attach",
    ("cgroup_link", "program cgroup_skb cgroup_inet_ingress link", "5.7", "links to control groups", _CGROUP),
    ("netns_link", "program flow_dissector flow_dissector link", "5.8", "links to network namespaces", ("NET",)),
    ("sk_lookup_link", "program sk_lookup sk_lookup link", "5.9", "choosing the socket of a connection", ("INET",)),
    ("xdp_link", "program xdp xdp link", "5.9", "XDP that goes away with its descriptor", ("NET",)),
    ("tcx", "program sched_cls tcx_ingress link", "6.6", "tc programs without a queueing discipline",
     ("NET_XGRESS",)),
    ("netkit", "program sched_cls netkit_primary link", "6.7", "programs on netkit devices", ("NETKIT",)),
    ("netfilter_link", "program netfilter netfilter link", "6.4", "netfilter hooks", ("NETFILTER_BPF_LINK",)),
    ("sockmap_link", "program sk_msg sk_msg_verdict link", "6.10", "links to sockmaps", ("BPF_STREAM_PARSER",)),
    needs=_NET,
) + _rows("attach",
    ("raw_tracepoint_open", "raw_open", "4.17", "raw tracepoints", ("BPF_EVENTS",)),
    ("perf_link", "program tracepoint perf_event link", "5.15", "links to tracepoints and probes, with a cookie",
     ("PERF_EVENTS",)),
    ("iter_link", "iter_link", "5.8", "iterators over kernel objects, read as files", ("BPF_EVENTS",)),
    ("kprobe_multi", "program kprobe trace_kprobe_multi link", "5.18", "one program on many kernel functions",
     ("FPROBE",)),
    ("kprobe_session", "program kprobe trace_kprobe_session link", "6.10", "entry and return by one program",
     ("FPROBE",)),
    ("uprobe_multi", "program kprobe trace_uprobe_multi link", "6.6", "one program on many user functions",
     ("UPROBES",)),
    ("uprobe_session", "program kprobe trace_uprobe_session link", "6.13", "entry and return by one program",
     ("UPROBES",)),
    ("struct_ops", "program struct_ops", "5.6", "tables of functions in BPF: congestion control, schedulers",
     ("BPF_JIT",)),
    ("struct_ops_link", "make struct_ops_link", "6.4", "links to struct_ops", ("BPF_JIT",)),
    needs=_TRACE,
)  # fmt: skip

_TRACING = _rows("tracing",
    ("tp_btf", "program tracing trace_raw_tp", "5.5", "tracepoints whose arguments are typed", ("BPF_EVENTS",)),
    ("fentry", "program tracing trace_fentry", "5.5", "kernel functions at their entry, arguments typed", _FTRACE),
    ("fexit", "program tracing trace_fexit", "5.5", "kernel functions at their return", _FTRACE),
    ("fmod_ret", "program tracing modify_return", "5.7", "changing what a kernel function returns", _FTRACE),
    ("lsm", "program lsm lsm_mac", "5.7", "security hooks", ("BPF_LSM",)),
    ("lsm_cgroup", "program lsm lsm_cgroup", "6.0", "security hooks of a control group", ("BPF_LSM", *_CGROUP)),
    ("freplace", "program ext", "5.6", "functions of loaded programs replaced", _FTRACE),
    needs=_TRACE,
) + _rows("tracing",
    ("tracepoint_pmu", "perf tracepoint", "4.7", "tracepoints through perf_event_open(2)", ("EVENT_TRACING",)),
    ("kprobe_pmu", "perf kprobe", "4.17", "kprobes through perf_event_open(2)", ("KPROBE_EVENTS",)),
    ("uprobe_pmu", "perf uprobe", "4.17", "uprobes through perf_event_open(2)", ("UPROBE_EVENTS",)),
    ("software_events", "perf software", "", "sampling by clock, page faults, context switches", ("PERF_EVENTS",)),
    ("hardware_counters", "perf hardware", "", "cycles and instructions counted by the processor"),
    needs=_PERF,
)  # fmt: skip

_COMMANDS = _rows("commands",
    ("prog_by_id", "command 13 ENOENT 0", "4.13", "programs by number"),
    ("map_by_id", "command 14 ENOENT 0", "4.13", "maps by number"),
    ("btf_by_id", "command 19 ENOENT 0", "4.18", "types by number"),
    ("link_by_id", "command 30 ENOENT 0", "5.8", "links by number"),
    needs=_ADMIN,
) + _rows("commands",
    ("test_run", "test_run", "4.12", "running a program on given input", ("NET",)),
    ("link_create", "command 28 EBADF 0", "5.7", "links"),
    ("link_update", "command 29 EBADF 01", "5.7", "the program of a link replaced"),
    ("iter_create", "command 33 EBADF 0", "5.8", "reading an iterator"),
    ("link_detach", "command 34 EBADF 0", "5.9", "a link undone while others hold it"),
    ("prog_bind_map", "command 35 EBADF 01", "5.10", "maps kept for a program that does not use them"),
    ("token_create", "command 36 EBADF 1", "6.9", "rights delegated through a bpffs mount"),
    ("stream_read", "command 37 EBADF 4", "6.17", "what a program wrote to its own output"),
) + _rows("commands",
    ("enable_stats", "named bpf_cmd BPF_ENABLE_STATS", "5.8", "run counts and times of programs"),
    needs=_ADMIN,
)  # fmt: skip

_HOST = _rows("host",
    ("jit", "host jit", "", "programs run as machine code", ("BPF_JIT",)),
    ("unprivileged_bpf", "host unprivileged", "", "socket filters and maps for users without capabilities"),
    ("no_lockdown", "host lockdown", "", "a kernel that is not locked down against root"),
    ("bpf_lsm", "host lsm", "5.7", "LSM programs are not only loaded, but run", ("BPF_LSM",)),
    ("memlock", "host memlock", "", "memory for maps; kernels before 5.11 count it against RLIMIT_MEMLOCK"),
    ("cgroup2", "host cgroup2", "4.5", "control groups to attach to", ("CGROUPS",)),
    ("tracefs", "host tracefs", "4.1", "names and numbers of tracepoints; trace_pipe", ("TRACING",)),
    ("bpffs", "host bpffs", "4.4", "pinned programs and maps", ("BPF_SYSCALL",)),
    ("user_namespaces", "host userns", "3.8", "rights that an ordinary user gives to itself", ("USER_NS",)),
    ("kernel_config", "host config", "", "the kernel's configuration: .kconfig externs, reasons of this page"),
    ("kernel_symbols", "host kallsyms", "", "addresses of kernel symbols", ("KALLSYMS",)),
    needs=(),
)  # fmt: skip

FEATURES: tuple[Feature, ...] = (
    *_PROGRAMS, *_XDP, *_ISA, *_MAPS, *_BTF, *_VMLINUX, *_HELPERS, *_ATTACH, *_TRACING, *_COMMANDS, *_HOST,
)  # fmt: skip
BY_NAME: Mapping[str, Feature] = {row.name: row for row in FEATURES}

# Options without which a type is not there. Types of the core, there in every kernel with bpf(2), have none.
_PROGRAM_CONFIG: Mapping[str, tuple[str, ...]] = {
    "kprobe": ("BPF_EVENTS",), "tracepoint": ("BPF_EVENTS",), "perf_event": ("BPF_EVENTS",),
    "raw_tracepoint": ("BPF_EVENTS",), "raw_tracepoint_writable": ("BPF_EVENTS",), "tracing": ("BPF_EVENTS",),
    **{row.name: ("NET",) for row in progs.PROGRAM_TYPES if row.needs == _NET},
    **{row.name: _CGROUP for row in progs.PROGRAM_TYPES if row.name.startswith("cgroup_")},
    "lirc_mode2": ("BPF_LIRC_MODE2",), "lwt_seg6local": ("IPV6_SEG6_BPF",), "struct_ops": ("BPF_JIT",),
    "lsm": ("BPF_LSM",), "sk_lookup": ("INET",), "sk_reuseport": ("INET",), "netfilter": ("NETFILTER_BPF_LINK",),
    **dict.fromkeys(("lwt_in", "lwt_out", "lwt_xmit"), ("LWTUNNEL_BPF",)),
}  # fmt: skip
_ATTACH_CONFIG: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("trace_fentry", "trace_fexit", "modify_return"), _FTRACE),
    **dict.fromkeys(("trace_kprobe_multi", "trace_kprobe_session"), ("FPROBE",)),
    **dict.fromkeys(("trace_uprobe_multi", "trace_uprobe_session"), ("UPROBES",)),
    **dict.fromkeys(("netkit_primary", "netkit_peer"), ("NETKIT",)),
    **dict.fromkeys(("tcx_ingress", "tcx_egress"), ("NET_XGRESS",)),
    "lsm_cgroup": ("BPF_LSM", *_CGROUP),
}  # fmt: skip
_MAP_CONFIG: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("cgroup_array", "cgrp_storage"), ("CGROUPS",)),
    **dict.fromkeys(("cgroup_storage", "percpu_cgroup_storage"), _CGROUP),
    **dict.fromkeys(("sockmap", "sockhash", "sk_storage", "devmap", "devmap_hash"), ("NET",)),
    "xskmap": ("XDP_SOCKETS",), "reuseport_sockarray": ("INET",), "inode_storage": ("BPF_LSM",),
    "perf_event_array": ("PERF_EVENTS",), "stack_trace": ("PERF_EVENTS",), "struct_ops": ("BPF_JIT",),
    "arena": ("MMU",),
}  # fmt: skip


def feature(name: str) -> Feature:
    """The row of a feature: one of FEATURES, a map type, a program type, or a name with slashes made of the tables'.

    UsageError for a name that means nothing.
    """
    if name in BY_NAME:
        return BY_NAME[name]
    match name.split("/"):
        case [word] if word in maps.BY_NAME:
            return _map(word)
        case [word] if word in progs.BY_NAME:
            return _program(word)
        case ["map", word] if word in maps.BY_NAME:
            return _map(word)
        case ["program", word] if word in progs.BY_NAME:
            return _program(word)
        case ["program", word, place] if place in _places(word):
            return _program(word, place)
        case ["helper", word, helper] if word in progs.BY_NAME and helper in helpers.BY_NAME:
            return _helper(word, helper)
        case ["kfunc", word] if word:
            return Feature(name, "helpers", f"kfunc {word}", "", "a function of the kernel's")
    raise UsageError(
        f"there is no feature {name!r}; features are {', '.join(BY_NAME)}, map types, program types, and "
        f"map/TYPE, program/TYPE/ATTACH_TYPE, helper/PROGRAM_TYPE/NAME, kfunc/NAME"
    )


def every_map() -> Iterable[Feature]:
    """A row for each map type."""
    return (_map(row.name) for row in maps.MAP_TYPES)


def every_program() -> Iterable[Feature]:
    """A row for each program type at each attach type that it has."""
    for row in progs.PROGRAM_TYPES:
        if row.number:
            yield from (_program(row.name, one.name) for one in row.attach_types)
            if not row.attach_types:
                yield _program(row.name)


def _places(program: str) -> tuple[str, ...]:
    return tuple(one.name for one in progs.BY_NAME[program].attach_types) if program in progs.BY_NAME else ()


def _map(name: str) -> Feature:
    row = maps.BY_NAME[name]
    return Feature(f"map/{row.name}", "maps", f"map {row.name}", row.since, f"maps of type {row.name}",
                   _MAP_CONFIG.get(row.name, ()), _BPF)  # fmt: skip


def _program(name: str, place: str = "") -> Feature:
    row = progs.BY_NAME[name]
    config = _ATTACH_CONFIG.get(place) or _PROGRAM_CONFIG.get(name, ())
    full, words = (f"program/{name}/{place}", f"{name} {place}") if place else (f"program/{name}", name)
    since = later(row.since, attach.BY_NAME[place].since) if place else row.since
    purpose = f"programs of type {name}" + (f" at {place}" if place else "")
    return Feature(full, "programs", f"program {words}", since, purpose, config, row.needs)


def _helper(program: str, name: str) -> Feature:
    row, helper = progs.BY_NAME[program], helpers.BY_NAME[name]
    return Feature(f"helper/{program}/{name}", "helpers", f"helper {program} {name}", later(row.since, helper.since),
                   helper.doc, _PROGRAM_CONFIG.get(program, ()), row.needs)  # fmt: skip


def later(one: str, other: str) -> str:
    """The later of two kernel versions."""
    return max(one, other, key=version)


def version(text: str) -> tuple[int, int]:
    """(6, 6) of "6.6"; (0, 0) of ""."""
    major, _, minor = text.partition(".")
    return int(major or 0), int(minor or 0)
