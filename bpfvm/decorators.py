"""`bpf`: the decorators that make programs of functions, and the call forms. None of them touches the kernel."""

from __future__ import annotations

import itertools
import linecache
import os
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast, overload

from bpfvm.core.errors import UsageError, not_here
from bpfvm.lang import hooks, maps, userspace
from bpfvm.lang.functions import subprogram
from bpfvm.lang.functions.callee import callee
from bpfvm.lang.functions.given import give
from bpfvm.lang.functions.signature import problems
from bpfvm.lang.functions.subprogram import Placement
from bpfvm.lang.helpers import atomics
from bpfvm.lang.helpers.callables import HELPERS, KFUNCS, Names
from bpfvm.lang.helpers.dynptrs import OfMemory, dynptr
from bpfvm.lang.helpers.sections import Lock, Section, irq_saved, lock, no_preempt, rcu
from bpfvm.lang.hooks import Hook
from bpfvm.lang.kinds import BY_NAME, KINDS, OPTIONS, Kind
from bpfvm.lang.maps import data as sections
from bpfvm.lang.maps.targets import tail_call
from bpfvm.lang.types.scalars import u32, u64
from bpfvm.lang.userspace.printed import Printed
from bpfvm.lang.userspace.tables import folded, rows_text
from bpfvm.program import Program, compile_object, offered

if TYPE_CHECKING:
    from bpfvm.attached import Attached
    from bpfvm.kernel.readers.trace_pipe import TracePipe

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Function: TypeAlias = "Callable[..., Any]"


class Decorator:
    """A decorator of one kind of program, a row of lang.kinds: `@bpf.xdp`, `@bpf.tracepoint("sched:sched_switch")`.

    What stands in parentheses is what the program is made for: targets, or a word in place of one. on_fault: the value
    after a fault, and of a program that ends without a return. ints="wrap": exact integers that do not fit in 64 bits
    wrap, as in C; CPython is then not compared. ints="checked": they end the run by OverflowError. probe="fault": a
    pointer through which nothing can be read ends the program, where it would give zeros. sleepable, frags, writable:
    loaded so, where the kind has that.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    @overload
    def __call__(self, function: Function, /) -> Program: ...
    @overload
    def __call__(self, target: Any, function: Function, /, *attaching: Any) -> Attached: ...
    @overload
    def __call__(
        self, *targets: str, on_fault: int | None = None, ints: str = "exact", probe: str = "zero",
        sleepable: bool = False, frags: bool = False, writable: bool = False,
    ) -> Callable[[Function], Program]: ...  # fmt: skip

    def __call__(
        self, *given: Any, on_fault: int | None = None, ints: str = "exact", probe: str = "zero", **options: bool
    ) -> Any:  # fmt: skip
        """The program of a function, or the decorator for the targets. UsageError for what the kind does not take."""
        wrong = next((one for one in options if one not in OPTIONS), None)
        if wrong is not None:
            raise UsageError(f"bpf.{self.kind.name} has no argument {wrong!r}; it takes on_fault, ints, probe")
        if len(given) > 1 and callable(given[1]):
            return self._attached(*given)
        bare = len(given) == 1 and not isinstance(given[0], str)
        targets = () if bare else given
        wrong = next((one for one in targets if not isinstance(one, str)), None)
        if wrong is not None:
            raise UsageError(f"bpf.{self.kind.name} takes targets as texts, not {wrong!r:.80}: {self.kind.example}")
        chosen = tuple(one for one, is_set in options.items() if is_set)
        hook = hooks.hook(self.kind.name, targets, on_fault=on_fault, ints=ints, options=chosen, probe=probe)
        return _decorate(hook, given[0] if bare else None)

    def _attached(self, target: Any, function: Function, *attaching: Any) -> Attached:
        """`bpf.socket("lo", f)`, `bpf.uprobe("path:symbol", f, retprobe, pid, cpu)`: the original's call forms.
        cpu: that of the perf event; the program runs on all."""
        kind, options = self.kind.name, dict[str, Any]()
        if kind in ("uprobe", "kprobe") and attaching:
            returns, *rest = attaching
            if len(rest) > 2 or not all(one is None or (isinstance(one, int) and one >= -1) for one in rest):
                raise UsageError(
                    f"bpf.{kind}({target!r:.40}, f, retprobe, pid, cpu): pid and cpu are numbers, -1 for any"
                )
            kind = f"{kind[0]}ret{kind[1:]}" if returns else kind
            options = {"pid": rest[0]} if rest and rest[0] is not None and rest[0] >= 0 else {}
        elif attaching:
            raise UsageError(f"bpf.{kind}({target!r:.40}, f) takes no more arguments: {self.kind.example}")
        if isinstance(function, Program):
            return function.attach(target, **options)
        named = (target,) if isinstance(target, str) and BY_NAME[kind].target is not None else ()
        made = Program.of_function(function, hooks.hook(kind, named))
        return made.attach(target if not named else None, **options)

    def __repr__(self) -> str:
        return f"<bpfvm decorator {self.kind.example}>"


class Bpf:
    """The decorators. Decorating compiles nothing and never touches the kernel."""

    helper: Names  # every helper, by name: `bpf.helper.get_prandom_u32()`
    kfunc: Names  # every kernel function that this version knows: `bpf.kfunc.bpf_rcu_read_lock()`
    rcu: Section  # `with bpf.rcu():` kernel objects stay alive
    no_preempt: Section  # `with bpf.no_preempt():` nothing else runs on this CPU
    irq_saved: Section  # `with bpf.irq_saved():` no interrupt comes
    lock: Lock  # `with bpf.lock(v.lock):` a lock in a map's value is held
    dynptr: OfMemory  # `bpf.dynptr(v.data)`, of memory in a map's value
    # Packets
    xdp: Decorator
    tc: Decorator
    tc_action: Decorator
    netkit: Decorator
    socket: Decorator
    cgroup_skb: Decorator
    lwt_in: Decorator
    lwt_out: Decorator
    lwt_xmit: Decorator
    lwt_seg6local: Decorator
    flow_dissector: Decorator
    netfilter: Decorator
    # Sockets and cgroups
    cgroup_sock: Decorator
    sock_addr: Decorator
    sockopt: Decorator
    sock_ops: Decorator
    sk_lookup: Decorator
    sk_msg: Decorator
    sk_skb: Decorator
    sk_reuseport: Decorator
    sysctl: Decorator
    device: Decorator
    # Tracing
    kprobe: Decorator
    kretprobe: Decorator
    kretsyscall: Decorator
    uprobe: Decorator
    uretprobe: Decorator
    usdt: Decorator
    tracepoint: Decorator
    syscall: Decorator
    syscall_exit: Decorator
    raw_tracepoint: Decorator
    tp_btf: Decorator
    fentry: Decorator
    fexit: Decorator
    fmod_ret: Decorator
    lsm: Decorator
    lsm_cgroup: Decorator
    freplace: Decorator
    iter: Decorator
    perf_event: Decorator
    # The rest
    struct_ops: Decorator
    syscall_prog: Decorator
    lirc_mode2: Decorator

    @overload
    def function(self, function: Function) -> Program: ...
    @overload
    def function(self, *, ints: str = "exact", probe: str = "zero") -> Callable[[Function], Program]: ...

    def function(self, function: Function | None = None, *, ints: str = "exact", probe: str = "zero") -> Any:
        """A program of a plain function of scalars: `def f(a: u32, b: u64) -> u64`. ints, probe: as for `xdp`."""
        return _decorate(hooks.function(ints, probe), function)

    def func(self, function: F) -> F:
        """A function that programs call, compiled once for all calls: a subprogram, verified with its callers. Its
        parameters that are numbers are annotated. It stays the plain Python function."""
        return subprogram.place(function, Placement.FUNC)

    def global_func(self, function: F) -> F:
        """As `func`, and verified by itself, once, whatever its arguments are. It gets numbers only."""
        return subprogram.place(function, Placement.GLOBAL)

    def inline(self, function: F) -> F:
        """A function that programs call, written out at each call. That is also what becomes of one without a mark."""
        return subprogram.place(function, Placement.INLINE)

    tail_call = tail_call  # goes on in another program
    fetch_add = atomics.fetch_add
    fetch_or = atomics.fetch_or
    fetch_and = atomics.fetch_and
    fetch_xor = atomics.fetch_xor
    xchg = atomics.xchg
    cmpxchg = atomics.cmpxchg

    def map(self, type: str, max_entries: int, key: Any = u32, value: Any = u64) -> Any:
        """A map by the kernel's name of its type, of numbers that are 0 at first: bpf.map("array", 256)."""
        return maps.made(type, max_entries, key, value)

    @overload
    def data(self, kind: type[T], *, name: str | None = None) -> T: ...
    @overload
    def data(self, kind: T, *, name: str | None = None) -> T: ...

    def data(self, kind: Any, *, name: str | None = None) -> Any:
        """A struct in shared memory, of this type or with these values: programs and user space store there."""
        return sections.data(kind, name=name)

    def const(self, value: T, *, name: str | None = None) -> T:
        """A struct that programs only read. It can be set until a program is compiled with it."""
        return cast("T", sections.const(value, name=name))

    def dump(self, program: Program, path: str | os.PathLike[str] | None = None) -> bytes:
        """The program as an ELF object, with BTF, line info and license: its bytes, written to `path` where one is
        given."""
        from bpfvm.obj.writer.object import write_object

        if not isinstance(program, Program):
            raise UsageError(f"bpf.dump() takes a program, not {program!r:.80}")
        data = write_object(program.object)
        if path is not None:
            try:
                Path(path).write_bytes(data)
            except OSError as error:
                raise UsageError(f"bpf.dump(): cannot write {path}: {error.strerror}") from None
        return data

    def tracelog(self, path: str | os.PathLike[str] | None = None) -> TracePipe | Printed:
        """What programs print, line by line, until Ctrl-C or SIGTERM: `for line in bpf.tracelog(): ...`. Unavailable
        where the kernel's trace pipe is not there or not to be read. path: of another one, such as an instance's."""
        from bpfvm.kernel.readers.trace_pipe import TracePipe

        instead = userspace.world()
        if instead is not None:
            return Printed(instead)
        return TracePipe(None if path is None else str(path))

    def attach(self, *programs: Program, **options: Any) -> Attached:
        """Put programs into the kernel as one object and attach each to what its decorator names, until what this
        gives is closed: `with bpf.attach(issue, complete):`. Meanwhile their maps are read as dicts, and by `for`.
        options: of each of them, pid=1234 for probes of a process. Errors as of `prog.attach`."""
        from bpfvm.attached import attach
        from bpfvm.kernel.programs import target

        wrong = next((one for one in programs if not isinstance(one, Program)), None)
        if not programs or wrong is not None:
            given = "" if wrong is None else f", not {wrong!r:.60}"
            raise UsageError(f"bpf.attach() takes programs: bpf.attach(issue, complete){given}")
        if len(programs) == 1:
            return programs[0].attach(**options)
        made = compile_object(programs, count_lost=True, machine=target.running())
        return attach(made.spec, [place for one in programs for place in one.places], made.maps, programs, **options)

    def run(self, *programs: Program, seconds: float | None = None) -> None:
        """Attach programs, or all of the module that calls this, and wait: so many seconds, or for Ctrl-C or SIGTERM.
        Their maps can be read after it."""
        found = programs or _of_module(sys._getframe(1).f_globals)
        if not found:
            raise UsageError("bpf.run() attaches the programs of the module that calls it, and it has none")
        with self.attach(*found):
            self.wait(seconds)

    def wait(self, seconds: float | None = None) -> bool:
        """Let what is attached run: so many seconds, or until Ctrl-C or SIGTERM, which then is no error, and gives
        False: `while bpf.wait(1): ...`."""
        return userspace.wait(seconds)

    def table(self, rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> str:
        """Rows under the names of their columns, as text: numbers stand to the right. UsageError for a row that has
        not one value a column."""
        return rows_text(rows, columns)

    def syscall_name(self, number: int) -> str:
        """What a system call of x86-64 is called, by its number; "[500]" for a number that has no name here."""
        from bpfvm.tables.syscall_numbers import NAMES

        return NAMES.get(number, f"[{number}]")

    def folded(self, stacks: Iterable[tuple[Sequence[Any], int]]) -> dict[str, int]:
        """Stacks as lines `outermost;…;innermost`, each once, with its counts added up. stacks: frames, the outermost
        first, each with a count."""
        return folded(stacks)

    def flame_graph(
        self, path: str | os.PathLike[str], stacks: Mapping[str, int], title: str = "Flame graph", unit: str = "samples"
    ) -> None:  # fmt: skip
        """Write a flame graph of folded stacks: one SVG that needs nothing beside it. UsageError for a path that cannot
        be written."""
        from bpfvm.lang.userspace.flame import flame_graph

        try:
            Path(path).write_text(flame_graph(stacks, title, unit), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"bpf.flame_graph(): cannot write {os.fspath(path)}: {error.strerror}") from None

    def exec(self, text: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
        """Execute `text` as Python does, and keep it, so that its functions have source text. Returns the names.

        names: the dictionary to execute it in, such as globals(); else a new one.
        """
        file = f"<bpf.exec {next(_EXECUTED)}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        space = {"__name__": "__bpf_exec__"} if names is None else names
        exec(compile(text, file, "exec", dont_inherit=True), space)
        return space

    def __call__(
        self, target: Function | str, *, source: str | None = None, type: str | None = None
    ) -> Program:  # fmt: skip
        """A program of a function, a lambda, or a text with one: a socket filter, `bpf(lambda skb: skb.len)`.

        source: the function's text, where the interpreter keeps none; it is proved to be what runs. type: the name of
        a decorator that needs no target, "function" too, which annotated numbers make by themselves.
        """
        made = _of_text(target) if isinstance(target, str) else target
        if isinstance(made, Program):
            return made
        behind = callee(made)
        if source is not None:
            give(behind.function, source)
        if type == "function" or (type is None and not problems(behind)):
            return Program.of_function(made, hooks.function())
        kind = BY_NAME.get(type or "socket")
        if kind is None or kind.needs:
            raise UsageError(f"bpf(..., type={type!r}): there are function, {', '.join(_TYPES)}; @bpf.NAME for others")
        return Program.of_function(made, hooks.hook(kind.name))

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(not_here("bpf", name, offered(Bpf)))


Bpf.helper, Bpf.kfunc = HELPERS, KFUNCS
Bpf.rcu, Bpf.no_preempt, Bpf.irq_saved, Bpf.lock, Bpf.dynptr = rcu, no_preempt, irq_saved, lock, dynptr
for _kind in KINDS:
    setattr(Bpf, _kind.name, Decorator(_kind))

_TYPES = [one.name for one in KINDS if not one.needs]
_EXECUTED = itertools.count(1)

bpf = Bpf()


def _of_text(text: str) -> Function:
    """The function that a text makes: a lambda, or the last `def`. It sees bpfvm's own names."""
    import bpfvm

    space: dict[str, Any] = {name: getattr(bpfvm, name) for name in bpfvm.__all__}
    known = set(space)
    lines = text.strip("\n")
    try:
        compile(lines.strip(), "<text>", "eval", dont_inherit=True)
        lines = f"_ = {lines.strip()}"
    except SyntaxError:
        pass
    space = bpf.exec(lines + "\n", space)
    made = [one for name, one in space.items() if name not in known and isinstance(one, types.FunctionType | Program)]
    if not made:
        raise UsageError(
            f"bpf(text) takes the text of a lambda or of a `def`, and this one makes no function: {text!r:.60}"
        )
    return made[-1]


def _of_module(space: dict[str, Any]) -> list[Program]:
    """Programs of a module, each once."""
    return list(dict.fromkeys(one for one in list(space.values()) if isinstance(one, Program)))


def _decorate(hook: Hook, function: Function | None) -> Any:
    if function is None:
        return lambda wrapped: Program.of_function(wrapped, hook)
    return Program.of_function(function, hook)
