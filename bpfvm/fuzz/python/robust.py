"""Whether the compiler ends well on any function: an object or a diagnostic, soon, and nothing else.

    tried = attempt(function, hooks.xdp())

Functions come of code objects alone, which are made functions and never called: of files that are compiled and not
run, and of changed texts (bpfvm.fuzz.python.mutate).
"""

from __future__ import annotations

import linecache
import multiprocessing
import random
import signal
import sysconfig
import time
import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bpfvm.compiler import compile_program
from bpfvm.core.errors import BpfvmError
from bpfvm.fuzz.python.run import place_of
from bpfvm.fuzz.python.term import DECLARED
from bpfvm.lang import hooks

SLOW = 2.0  # seconds of this process in which a function must be compiled or refused
_CHUNK = 4  # parts that a process takes at a time
_HANGS = 20  # seconds after which an attempt is given up


Part = TypeVar("Part")


class Hangs(BaseException):
    """The time of one attempt is over."""


@dataclass(slots=True)
class Found:
    """What came of all attempts. objects: functions that were compiled. refused: first code of the diagnostics -> how
    many. slowest: seconds, and of what. wrong: a line for each that ended otherwise, or too late.
    """

    objects: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    wrong: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def functions(self) -> int:
        """How many were tried."""
        return self.objects + self.refused.total() + len(self.wrong)

    def add(self, other: Found) -> None:
        """Put in what another one found."""
        self.objects += other.objects
        self.refused.update(other.refused)
        self.skipped.update(other.skipped)
        self.slowest = max(self.slowest, other.slowest)
        self.wrong += other.wrong

    def __str__(self) -> str:
        codes = ", ".join(f"{code} {count}" for code, count in self.refused.most_common())
        skipped = ", ".join(f"{why} {count}" for why, count in self.skipped.most_common())
        return "\n".join([
            f"{self.functions} functions: {self.objects} objects, {self.refused.total()} refused ({codes})",
            f"  slowest {self.slowest[0]:.2f} s: {self.slowest[1]}",
            *([f"  left out: {skipped}"] if skipped else []),
            f"  {len(self.wrong)} wrong", *(f"  {one}" for one in self.wrong),
        ])  # fmt: skip


def attempt(found: Found, function: types.FunctionType, hook: hooks.Hook) -> None:
    """Compile the function; what comes of it goes to `found`."""
    code = function.__code__
    what = f"{code.co_filename}:{code.co_firstlineno}: {function.__name__} as {hook.type}"
    start = time.process_time()
    try:
        with _patience(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile_program(function, hook)
        found.objects += 1
    except BpfvmError as error:
        found.refused[_code(error)] += 1
    except Hangs:
        found.wrong.append(f"{what}: nothing after {_HANGS} s")
        return
    except Exception as error:  # whatever it raises is what is looked for
        found.wrong.append(f"{what}: {type(error).__name__} in {place_of(error)}: {error}")
        return
    seconds = time.process_time() - start
    found.slowest = max(found.slowest, (seconds, what))
    if seconds > SLOW:
        found.wrong.append(f"{what}: {seconds:.2f} s")


def _code(error: BpfvmError) -> str:
    diags = getattr(error, "diags", ())
    return next((one.code for one in diags if one.severity == "error"), type(error).__name__)


@contextmanager
def _patience() -> Iterator[None]:
    def give_up(number: int, frame: Any) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, _HANGS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def functions(
    code: types.CodeType, space: Mapping[str, Any], rng: random.Random
) -> Iterator[tuple[types.FunctionType, hooks.Hook]]:
    """Functions of all code objects inside of a module's, for both kinds of hook. space: their globals.

    Cells are empty. For functions of scalars every parameter and the result are declared as any type, unless `space`
    has the function with its own annotations.
    """
    for one in inside(code):
        if not one.co_flags & _OPTIMIZED:
            continue  # a module or a body of a class
        cells = tuple(types.CellType() for _ in one.co_freevars)
        function = types.FunctionType(one, dict(space), one.co_name, None, cells)
        yield function, hooks.xdp()
        known = getattr(space.get(one.co_name), "__annotations__", {})
        names = (*one.co_varnames[: one.co_argcount + one.co_kwonlyargcount], "return")
        function = types.FunctionType(one, function.__globals__, one.co_name, None, cells)
        function.__annotations__ = {name: known.get(name, rng.choice(DECLARED)) for name in names}
        yield function, hooks.function()


_OPTIMIZED = 1  # CO_OPTIMIZED: code of a function


def inside(code: types.CodeType) -> Iterator[types.CodeType]:
    """All code objects inside of one, itself included."""
    waiting = [code]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += [inner for inner in one.co_consts if isinstance(inner, types.CodeType)]


def of_file(path: Path, rng: random.Random) -> Found:
    """Every function of a file, which is compiled and not run."""
    found = Found()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        found.skipped[type(error).__name__] += 1
        return found
    for function, hook in functions(code, {"__name__": path.stem, "__builtins__": __builtins__}, rng):
        attempt(found, function, hook)
    return found


def of_text(text: str, file: str, space: Mapping[str, Any], rng: random.Random) -> Found:
    """Every function of a text, which is compiled and not run. space: what its globals are."""
    found = Found()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(text, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        found.skipped[type(error).__name__] += 1
        return found
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    for function, hook in functions(code, space, rng):
        attempt(found, function, hook)
    return found


def all_of(work: Callable[[Part], Found], parts: Sequence[Part], jobs: int) -> Found:
    """What came of `work` on every one of `parts`, in so many processes. work: a function of a module."""
    found = Found()
    if jobs == 1:
        for part in parts:
            found.add(work(part))
        return found
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        for one in pool.map(work, parts, chunksize=_CHUNK):
            found.add(one)
    return found


def standard_library() -> list[Path]:
    """The files of the standard library, its tests included; not what was installed beside it."""
    top = Path(sysconfig.get_path("stdlib"))
    return sorted(path for path in top.rglob("*.py") if "site-packages" not in path.parts)
