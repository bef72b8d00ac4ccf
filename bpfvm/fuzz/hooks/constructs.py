"""What programs on hooks are made of, counted: rows from the tables of headers, packet calls, maps, protocols, fields.

A program counts once for each, however often it has it. What the compiler learns is a row at once, and the fuzz test
asks that generated programs have it.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping

from bpfvm import __all__ as OFFERED
from bpfvm.compiler.frontend.maps.methods import METHODS
from bpfvm.compiler.frontend.protocols import PROTOCOLS
from bpfvm.compiler.frontend.types import ContextArray, ContextValue, View
from bpfvm.compiler.ir.ops import IR_OPS
from bpfvm.fuzz.hooks.generate import generated
from bpfvm.fuzz.hooks.kinds import KINDS
from bpfvm.fuzz.hooks.maps import FETCHES
from bpfvm.fuzz.python.met import COLUMNS
from bpfvm.fuzz.python.subject import BODIES, Subject
from bpfvm.lang import maps
from bpfvm.lang.packets.calls import CALLS
from bpfvm.lang.packets.headers import HEADERS, ROOTS

_ROWS = (ContextValue, ContextArray, View)  # of the protocol table, each with all of its columns
# What maps offer beside methods, by class: columns of the protocol table.
_KEYED, _NESTED = ("item", "set_item", "update", "contains"), ("item", "contains", "get")
_OF_MAPS: Mapping[str, tuple[str, ...]] = {
    "Array": _KEYED, "Hash": (*_KEYED, "delete"), "Counter": (*_KEYED, "delete"),
    "LpmTrie": ("item", "set_item", "contains", "delete"), "ArrayOf": _NESTED, "HashOf": _NESTED,
    "Bloom": ("contains",),
}  # fmt: skip
_STORED = ("add", "get", "items", "pop", "setdefault", "values")  # methods of storages
_CSUMS = ("ip_csum", "csum_replace", "csum_replace32", "csum_fold", "from_bytes", "startswith", "at", "print")
_OWN = ("data", "const", "lock", "dynptr")  # names of `bpf` that are no decorators
_DYNPTRS, _TIMERS = ("read", "write", "data", "submit", "discard"), ("start", "cancel")

UNMADE: Mapping[str, str] = {
    **{
        f"LpmTrie {name}": "the kernel goes through arrays and hashes: it is refused by its own message"
        for name in ("items", "values")
    },
    **{
        f"{kind} {name}": "BPF_PROG_TEST_RUN runs no programs that have it: tests/contract/test_sockets.py"
        for kind in ("SockMap", "SockHash")
        for name in ("get", "redirect", "select")
    },
    **{
        f"{kind} {name}": "storages belong to tasks, sockets, inodes and cgroups: tests/unit/compiler/test_storages.py"
        for kind in ("TaskStorage", "SkStorage", "InodeStorage", "CgroupStorage")
        for name in _STORED
    },
    **{
        f"Histograms {name}": "a hash of structs, as others are: tests/programs/queues.py"
        for name in ("get", "items", "pop", "setdefault", "values")
    },
    "UserRing drain": "what helpers call is a function of its own: tests/programs/userrings.py",
    "LpmTrie add": "tries have no default: it is refused by its own message",
    "StackTrace id": "call stacks: emulators have none, and give -EFAULT where the kernel has one",
    "pkt-l3.adjust_head": "no program without a link layer has the helper",
    "pkt-l3.adjust_tail": "no program without a link layer has the helper",
    "pkt-l3.adjust_meta": "no program without a link layer has the helper",
    "pkt-l3.adjust_room": "no program without a link layer has the helper",
    "pkt-l3.change_proto": "no program without a link layer has the helper",
    "pkt-l3.vlan_push": "no program without a link layer has the helper",
    "pkt-l3.vlan_pop": "no program without a link layer has the helper",
}  # rows that no generated program has, with the reason

SELDOM: Mapping[str, str] = {
    name: "divisions of signed numbers, which few programs have here: bpfvm fuzz --kind python"
    for name in ("sdiv", "smod")
}  # operations that are met, and too seldom to ask for them
UNUSED_OPS: Mapping[str, str] = {
    **BODIES,
    **SELDOM,
    "kfunc": "kernel functions are called by name in tests/programs/sections.py",
    **{name: "memory of the kernel, by CO-RE: tests/tracing" for name in IR_OPS if name.startswith("core")},
}


def _headers() -> Iterator[str]:
    for header in HEADERS.values():
        yield from (f"{header.name}.{name}" for name in header.offered)


def _methods() -> Iterator[str]:
    kinds = [vars(maps)[name] for name in OFFERED if isinstance(vars(maps).get(name), type)]
    kinds = [one for one in kinds if issubclass(one, maps.Map) and not issubclass(one, maps.Nested)]
    for name, rows in METHODS.items():
        yield from (f"{one.__name__} {name}" for one in kinds if any(issubclass(one, row.of) for row in rows))


CONSTRUCTS: tuple[str, ...] = tuple(dict.fromkeys((
    *(f"@{one.name}" for one in KINDS), *_headers(),
    *(f"{root}.{name}" for root in ROOTS.values() for name in CALLS),
    *(f"{row.__name__} {name}" for row in _ROWS for name in COLUMNS if getattr(PROTOCOLS[row], name) is not None),
    *(f"{kind} {name}" for kind, columns in _OF_MAPS.items() for name in columns),
    *_methods(), "Ring submit", "PerfEvents submit", "a record's submit", "a record's discard",
    *(f"a dynptr's {name}" for name in _DYNPTRS), *(f"a timer's {name}" for name in _TIMERS),
    *(f"bpf.{name}" for name in (*FETCHES, *_OWN)), *(f"call of {name}" for name in _CSUMS),
    "JoinedStr", "FormattedValue", "With", "Delete", "percpu", "lru", "default", "contents", "on_fault", "frags",
)))  # fmt: skip


def count(text: str, met: Counter[str]) -> Counter[str]:
    """What a program has, each once."""
    found = set(met)
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="bpf"), attr=name)):
                found.add(f"bpf.{name}")
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="submit" | "discard" as name)) if (
                owner[0] == "r"
            ):
                found.add(f"a record's {name}")
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)) if (
                owner[0] == "q" and name in _DYNPTRS
            ):
                found.add(f"a dynptr's {name}")
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="timer"), attr=name)):
                found.add(f"a timer's {name}")
            case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
                found.add(f"call of {name}")
                found.update(one.arg for one in node.keywords if one.arg in ("percpu", "lru", "default", "contents"))
            case ast.JoinedStr() | ast.FormattedValue() | ast.With() | ast.Delete():
                found.add(type(node).__name__)
            case ast.FunctionDef():
                found.update(_decorators(node))
    return Counter(found)


def _decorators(node: ast.FunctionDef) -> Iterator[str]:
    for one in node.decorator_list:
        called = one.func if isinstance(one, ast.Call) else one
        if isinstance(called, ast.Attribute):
            yield f"@{called.attr}"
        if isinstance(one, ast.Call):
            yield from (word.arg for word in one.keywords if word.arg)


PROGRAMS = Subject("hooks", "programs", generated, CONSTRUCTS, count, UNMADE, UNUSED_OPS, plain=2)
