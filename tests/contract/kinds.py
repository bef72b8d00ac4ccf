"""A program for every decorator and every word it takes: it reads all fields of the context that it may, mixes them
into one number, writes all fields that it may, and counts in a map. Machines are compared with CPython on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bpfvm import Array, Program, Unavailable, bpf, u64
from bpfvm.lang.hooks import Hook
from bpfvm.lang.kinds import KINDS, Kind
from bpfvm.run.compare import differences
from bpfvm.tables.ctx import CONTEXTS
from tests.contract.comparison import Comparison
from tests.engines import EMULATORS

FRAME = bytes.fromhex("02000000000102000000000208004500001c00010000401166ce0a0000010a00000204d20035000800007878")
# Targets that every kernel has, for kinds whose programs load for one.
TARGETS = {"tp_btf": "sched_switch", "iter": "task", "fentry": "bpf_fentry_test1", "fexit": "bpf_fentry_test1",
           "fmod_ret": "bpf_modify_return_test", "lsm": "file_open", "lsm_cgroup": "socket_bind"}  # fmt: skip
MACHINES = EMULATORS


@dataclass(frozen=True, slots=True)
class Case:
    """One use of a decorator. minimal: the program `return`; whole: the one that reads and writes all it may."""

    name: str
    hook: Hook
    minimal: Program
    whole: Program
    reads: int
    writes: int


def cases() -> Iterator[Case]:
    """Every decorator with each of its words."""
    for kind in KINDS:
        for word in kind.words:
            given = (word,) if word else (_target(kind),) if kind.needs else ()
            minimal = getattr(bpf, kind.name)(*given)(bpf.exec("def minimal(ctx):\n    pass\n")["minimal"])
            hook = minimal.hook
            reads, writes = list(_fields(hook, False)), list(_fields(hook, True))
            space: dict[str, Any] = {"seen": Array(u64, 2), "u64": u64}
            bpf.exec(_text(hook, reads, writes), space)
            whole = getattr(bpf, kind.name)(*given)(space["whole"])
            yield Case(" ".join((kind.name, *given)), hook, minimal, whole, len(reads), len(writes))


def _target(kind: Kind) -> str:
    assert kind.target is not None, kind.name
    return TARGETS.get(kind.name, kind.target.example)


def _fields(hook: Hook, write: bool) -> Iterator[tuple[str, int]]:
    """What stands behind `ctx.`, and the bits of it."""
    context = hook.program_type.context
    if context is None:
        return
    layout = CONTEXTS[context]
    for name in layout.offered(write, hook.type, hook.attach_type):
        field = layout.open(name, write, hook.type, hook.attach_type)
        assert field is not None
        yield from ((f"{name}[{at}]" if field.count > 1 else name, field.bits) for at in range(field.count))


def _text(hook: Hook, reads: list[tuple[str, int]], writes: list[tuple[str, int]]) -> str:
    lines = [f"    x = x * 3 ^ ctx.{name}" for name, _ in reads]
    lines += [
        f"    ctx.{name} = x >> {at % 8} & {min((1 << bits) - 1, 0xFFF)}" for at, (name, bits) in enumerate(writes)
    ]
    lines += [f"    x ^= ctx.{name}" for name, _ in writes if (name, _) in reads]
    lines += ["    seen[0] = x", "    seen[1] += 1"]
    least, most = hook.returns or (0, 1)
    return "\n".join(
        ["def whole(ctx):", "    x = u64(7)", *lines, f"    return x & 1 if {least} < {most} else {most}\n"]
    )


def given_to(case: Case) -> tuple[tuple[Any, ...], dict[str, int]]:
    """The input of a case, a value for every field of numbers that can be given."""
    fields = {name: (at * 37 + 5) % 200 for at, (name, _) in enumerate(_fields(case.hook, False))}
    packets = case.hook.program_type.layer is not None or case.hook.type in ("sk_skb", "sk_msg", "sk_reuseport")
    fields.pop("len" if case.hook.program_type.context == "__sk_buff" else "", None)
    return ((FRAME if case.hook.program_type.layer != "ip" else FRAME[14:],) if packets else ()), fields


def compare() -> tuple[Comparison, list[str]]:
    """All cases on the emulator's tiers, and a line for each case."""
    found, lines = Comparison(), []
    for case in cases():
        for program in (case.minimal, case.whole):
            program.object  # noqa: B018 -- it compiles
            found.counts["programs"] += 1
        found.counts["fields read"] += case.reads
        found.counts["fields written"] += case.writes
        runs, why = _runs(case, found)
        lines.append(
            f"{case.name:28} {case.hook.section:36} {case.reads:3} read {case.writes:2} written  {runs} runs{why}"
        )
    return found, lines


def _runs(case: Case, found: Comparison) -> tuple[int, str]:
    given, fields = given_to(case)
    runs = 0
    for program, ctx in ((case.minimal, {}), (case.whole, {}), (case.whole, fields)):
        try:
            want = program.cpython(*given, ctx=ctx)
            machines = MACHINES if program is case.whole else MACHINES[:1]
            outcomes = {name: program.emulate(*given, ctx=ctx, engine=name) for name in machines}
        except Unavailable as error:
            why = f"the emulator runs no programs of type {str(error).rpartition(' not ')[2]}"
            found.elsewhere[why] += 1
            return runs, f" ({why})"
        for name, outcome in outcomes.items():
            found.wrong += [f"{case.name}: {line}" for line in differences("cpython", want, name, outcome)]
            found.counts["runs"] += 1
            runs += 1
        if program is case.minimal and want.value != case.hook.on_fault & 0xFFFF_FFFF:
            found.wrong.append(f"{case.name}: without a return it gives {want.value}, not {case.hook.on_fault}")
    return runs, ""


def counted(lines: list[str]) -> Mapping[str, int]:
    """How many cases ran, and how many did not."""
    return Counter("not run" if " 0 runs" in line else "run" for line in lines)
