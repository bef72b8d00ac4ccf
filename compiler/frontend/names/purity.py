"""Which functions of Python the compiler may call on constants: those that compute, and a few that only look.

All others are refused, whatever their arguments: to compile a program must not delete a file, wait, or end the process.
"""

from __future__ import annotations

import builtins
import enum
import os
import types
from collections.abc import Mapping, Sequence
from typing import Any

# Modules whose functions give the same for the same arguments
PURE = frozenset({
    "builtins", "math", "operator", "_operator", "struct", "_struct", "ipaddress", "binascii", "zlib", "string", "enum",
    "fractions", "re", "base64", "textwrap", "dataclasses", "types", "collections", "uuid", "itertools",
})  # fmt: skip
# Functions of other modules that do
_PURE_OF: Mapping[str, frozenset[str]] = {
    "socket": frozenset({"htons", "htonl", "ntohs", "ntohl", "inet_aton", "inet_ntoa", "inet_pton", "inet_ntop"}),
}
# Functions that change nothing, and may give another result another time
_LOOKS: Mapping[str, frozenset[str]] = {
    "os": frozenset({"getpid", "getppid", "getuid", "geteuid", "getgid", "getegid", "cpu_count", "getenv", "uname"}),
    "time": frozenset({"time", "time_ns", "monotonic", "monotonic_ns", "clock_gettime", "clock_gettime_ns"}),
    "socket": frozenset({"if_nametoindex", "gethostname"}),
    "random": frozenset({"random", "randrange", "randint", "getrandbits"}),
    "uuid": frozenset({"uuid4"}),
    "sys": frozenset({"getsizeof"}),
    "platform": frozenset({"machine", "release", "system", "node"}),
}
# Builtins that act on the interpreter, or wait for somebody
_NEVER = frozenset(
    getattr(builtins, name)
    for name in ("open", "input", "exec", "eval", "compile", "__import__", "print", "breakpoint", "globals", "locals",
                 "vars", "id", "iter", "next", "super", "setattr", "delattr", "dir", "memoryview", "bytearray", "list",
                 "dict", "set", "range", "enumerate", "zip", "reversed", "map", "filter", "type", "object")
)  # fmt: skip
_READING = frozenset({"get", "index", "count", "keys", "values", "items", "__contains__", "__getitem__", "__len__"})
_VALUES = (str, bytes, int, float, complex, tuple, frozenset, range, enum.Enum)
_GROWING = frozenset({"factorial", "comb", "perm"})  # of math: results of a size that no program can want
_MOST = 1 << 12


def may_call(target: Any) -> bool:
    """Whether a builtin, a function of a library or a method may be called by the compiler."""
    try:
        if target in _NEVER:
            return False
    except TypeError:
        return False
    owner = getattr(target, "__self__", None)
    if owner is None or isinstance(owner, types.ModuleType):
        return is_pure(target) or _name(target) in _LOOKS.get(_root(target), ())
    if isinstance(owner, (type, *_VALUES)):
        return is_pure(target)
    return _name(target) in _READING if isinstance(owner, list | dict | set | type(os.environ)) else is_pure(target)


def is_pure(target: Any) -> bool:
    """Whether it gives the same for the same arguments."""
    root = _root(target)
    if root in _PURE_OF or root in PURE:
        return _name(target) not in _LOOKS.get(root, ()) and (root in PURE or _name(target) in _PURE_OF[root])
    return isinstance(target, type)


def is_endless(target: Any, arguments: Sequence[Any]) -> bool:
    """Whether a call would take long or give more than fits anywhere."""
    large = any(isinstance(one, int) and abs(one) > _MOST for one in arguments)
    return _root(target) == "math" and _name(target) in _GROWING and large


def module_of(target: Any) -> str:
    """The name of the module that a function or a class is of; of a method, its object's class's."""
    return str(getattr(target, "__module__", None) or type(getattr(target, "__self__", None)).__module__)


def _root(target: Any) -> str:
    return {"posix": "os", "_socket": "socket"}.get(root := module_of(target).partition(".")[0], root)


def _name(target: Any) -> str:
    return str(getattr(target, "__name__", ""))
