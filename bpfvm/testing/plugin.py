"""The pytest plugin: the fixture `bpf`, the markers `kernel` and `vm`, --bpf-engine, and reports at the user's lines.

It is loaded in every run of pytest where bpfvm is installed, so it imports nothing before a test asks for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from bpfvm.testing.machine import Machine

_MACHINE = pytest.StashKey["Machine"]()
_SKIPPED = pytest.StashKey[bool]()
_MARKERS = (
    "kernel(*features, reason=''): the test runs on this machine's kernel; skipped, with the reason, where bpf(2) or a "
    "feature of bpfvm.tables.features is not to be had, and failed instead where BPFVM_KERNEL=require",
    "vm(reason): the test changes the machine that it runs on, so it is run only where BPFVM_VM=1 says that this one "
    "may be thrown away",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """--bpf-engine and --bpf-seed."""
    group = parser.getgroup("bpfvm")
    group.addoption(
        "--bpf-engine", default="auto", metavar="ENGINE",
        help="the machine of the fixture bpf: auto, cpython, interp, portable, native or kernel; tests that it cannot "
        "run are skipped, with the reason",
    )  # fmt: skip
    group.addoption("--bpf-seed", type=int, default=0, metavar="N", help="of the random numbers of the fixture bpf")


def pytest_configure(config: pytest.Config) -> None:
    for line in _MARKERS:
        config.addinivalue_line("markers", line)
    name = config.getoption("--bpf-engine")
    if name != "auto":
        from bpfvm.core.errors import BpfvmError
        from bpfvm.run.backend import known

        try:
            known(name)
        except BpfvmError as error:
            raise pytest.UsageError(f"--bpf-engine: {error}") from None


def pytest_report_header(config: pytest.Config) -> list[str]:
    engine, seed = config.getoption("--bpf-engine"), config.getoption("--bpf-seed")
    return [f"bpfvm: engine {engine}, seed {seed}"] if (engine, seed) != ("auto", 0) else []


@pytest.fixture
def bpf(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A fresh machine for this test: bpf.load(path), bpf(program).run(input), bpf.run(program, input)."""
    from bpfvm.testing.machine import Machine

    config = request.config
    machine = Machine(config.getoption("--bpf-engine"), config.getoption("--bpf-seed"), request.path.parent)
    request.node.stash[_MACHINE] = machine
    yield machine
    machine.close()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("vm") is not None and os.environ.get("BPFVM_VM") != "1":
        words = [text for mark in item.iter_markers("vm") for text in (*mark.args, *mark.kwargs.values())]
        brackets = f" ({'; '.join(map(str, words))})" if words else ""
        _skip(item, f"needs a machine that may be thrown away{brackets}: BPFVM_VM=1 says that this is one")
    marks = list(item.iter_markers("kernel"))
    if marks:
        from bpfvm.core.errors import UsageError
        from bpfvm.testing.needs import kernel

        reason = "; ".join(mark.kwargs["reason"] for mark in marks if "reason" in mark.kwargs)
        try:
            what, why = kernel(reason, [name for mark in marks for name in mark.args])
        except UsageError as error:
            what, why = "fail", str(error)
        if what == "skip":
            _skip(item, why)
        if what == "fail":
            pytest.fail(why, pytrace=False)


def _skip(item: pytest.Item, reason: str) -> NoReturn:
    """Skip the test; its report names the test's own place."""
    item.stash[_SKIPPED] = True
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A test that the kernel, or the engine of --bpf-engine, cannot run is skipped with the reason."""
    try:
        return (yield)
    except Exception as error:
        if not _is(error, "Unavailable") or not _chosen(item):
            raise
        from bpfvm.testing.needs import mode

        if mode() == "require":
            raise
        _skip(item, str(error))


def _chosen(item: pytest.Item) -> bool:
    """Whether the run or the test asked for a certain machine, which may not be there."""
    is_engine = item.config.getoption("--bpf-engine") != "auto" and item.stash.get(_MACHINE, None) is not None
    return is_engine or item.get_closest_marker("kernel") is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the user's own lines: frames of bpfvm are left out, and what the machine ran follows in a section."""
    if call.excinfo is not None and not item.config.getoption("fulltrace", False):
        call.excinfo = _users(call.excinfo)
    report = yield
    if report.skipped and item.stash.get(_SKIPPED, False) and isinstance(report.longrepr, tuple):
        path, line = item.reportinfo()[:2]
        report.longrepr = (os.fspath(path), (line or 0) + 1, report.longrepr[2])
    if call.excinfo is not None and _is(call.excinfo.value, "CompileError"):
        crash = getattr(report.longrepr, "reprcrash", None)
        if crash is not None:  # the line of the summary
            crash.message = str(call.excinfo.value).partition("\n")[0]
    machine = item.stash.get(_MACHINE, None)
    if machine is not None and report.when == "call" and report.failed:
        text = _of_machine(machine)
        if text:
            report.sections.append((f"bpf: engine {machine.engine}, seed {machine.seed}", text))
    return report


def _of_machine(machine: Machine) -> str:
    from bpfvm.core.errors import BpfvmError

    try:
        return machine.report()
    except BpfvmError as error:
        return f"(what it ran cannot be shown: {error})"


def _users(excinfo: pytest.ExceptionInfo[BaseException]) -> pytest.ExceptionInfo[BaseException]:
    """The error without bpfvm's frames; with all of them where it comes of bpfvm itself, unmeant."""
    entries = [(entry._rawentry, str(entry.frame.f_globals.get("__name__", ""))) for entry in excinfo.traceback]
    ours = [name == "bpfvm" or name.startswith("bpfvm.") for _, name in entries]
    last = entries[-1]  # where names are looked up, and in the classes of lang, errors of Python's own are meant too
    is_meant = last[0].tb_frame.f_code.co_name == "__getattr__" or last[1].startswith("bpfvm.lang.")
    is_meant = is_meant or _is(excinfo.value, "BpfvmError")
    if not any(ours) or (ours[-1] and not is_meant):
        return excinfo
    kept, inside = [], False  # the standard library is part of bpfvm where bpfvm called it
    for (raw, name), own in zip(entries, ours, strict=True):
        inside = own or (inside and name.partition(".")[0] in sys.stdlib_module_names)
        if not inside:
            kept.append(raw)
    chain: TracebackType | None = None
    for raw in reversed(kept):
        chain = TracebackType(chain, raw.tb_frame, raw.tb_lasti, raw.tb_lineno)
    if chain is None:
        return excinfo
    return pytest.ExceptionInfo.from_exception(excinfo.value.with_traceback(chain))


def _is(error: BaseException, name: str) -> bool:
    """Whether `error` is of a class of bpfvm's. No such error exists before its module is imported."""
    module = sys.modules.get("bpfvm.core.diag" if name == "CompileError" else "bpfvm.core.errors")
    return module is not None and isinstance(error, getattr(module, name))


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """`assert outcome.fault is None` shows the fault, with its line."""
    machine = sys.modules.get("bpfvm.core.machine")
    if machine is None or op not in ("is", "==") or not isinstance(left, machine.Fault) or right is not None:
        return None
    from bpfvm.run.compare import excerpt

    kind = "the machine" if left.machine else "the program"
    return [f"{kind} ended by a fault:", str(left), *(excerpt(left.source) if left.source else ())]
