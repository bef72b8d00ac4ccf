"""Contexts of programs on probes: registers by architecture, arguments of raw tracepoints, samples of perf events."""

from __future__ import annotations

from dataclasses import replace

from bpfvm.tables.ctx.field import Context, CtxField

_X86_64 = "r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss"
_ARM64 = (*(f"x{number}" for number in range(31)), "sp", "pc", "pstate")

# The calling conventions (System V AMD64 psABI, AAPCS64), under the names of libbpf's PT_REGS_* macros; but `ret` is
# what a function returns, which those call rc, and not where it returns to
_X86_64_ROLES = {
    "parm1": "di", "parm2": "si", "parm3": "dx", "parm4": "cx", "parm5": "r8", "parm6": "r9",
    "ret": "ax", "rc": "ax", "fp": "bp", "pc": "ip",
}  # fmt: skip
_ARM64_ROLES = {**{f"parm{number + 1}": f"x{number}" for number in range(8)}, "ret": "x0", "rc": "x0", "fp": "x29"}
_X86_64_LONG = {
    f"r{name}": name for name in ("bp", "bx", "ax", "cx", "dx", "si", "di", "ip", "sp")
} | {"orig_rax": "orig_ax", "eflags": "flags"}  # fmt: skip

PT_REGS = Context(
    "pt_regs",
    168,
    tuple(CtxField(name, 8 * at, 8) for at, name in enumerate(_X86_64.split())),
    "kprobe",
    {**_X86_64_ROLES, **_X86_64_LONG},
)

USER_PT_REGS = Context(
    "user_pt_regs", 272, tuple(CtxField(name, 8 * at, 8) for at, name in enumerate(_ARM64)), "kprobe", _ARM64_ROLES
)

PERF_EVENT = Context("bpf_perf_event_data", 184, (
    *(replace(one, name=f"regs.{one.name}", narrow="") for one in PT_REGS.fields),
    CtxField("sample_period", 168, 8),
    CtxField("addr", 176, 8),
), "perf_event", {f"regs.{name}": f"regs.{role}" for name, role in PT_REGS.aliases.items()})  # fmt: skip

RAW_TRACEPOINT = Context(
    "bpf_raw_tracepoint_args",
    96,  # MAX_BPF_FUNC_ARGS; the structure of uapi has no bounds
    (
        CtxField("args", 0, 8, count=12, readers="raw_tracepoint", given=True),
        CtxField("buffer", 0, 8, pointer="tp_buffer", readers="raw_tracepoint_writable"),
        CtxField("args", 0, 8, readers="raw_tracepoint_writable", narrow="behind"),
        CtxField("args", 8, 8, count=11, readers="raw_tracepoint_writable"),
    ),
    "raw_tracepoint raw_tracepoint_writable",
)
