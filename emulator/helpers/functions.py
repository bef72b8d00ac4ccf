"""Helpers on the function that is traced: its arguments by number, what it returns; and what paths among them lead to.

How many words of arguments there are is told by the input, which has it of BTF; they stand in the context. Answers of
errors are those of the kernel's texts, include/uapi/linux/bpf.h.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.helpers.missing import why_missing
from bpfvm.emulator.memory import Pointer

_WORD = 8


def _count(caller: Caller, helper: str) -> int:
    """How many words of arguments there are. Stop where nothing tells."""
    if caller.system.input.words is None:
        raise Stop("helper", why_missing(helper))
    return caller.system.input.words


def _word(context: Context, number: int) -> bytes:
    """A word of the context; zeros behind what the input has of it."""
    return bytes(context.region.data[_WORD * number : _WORD * (number + 1)]).ljust(_WORD, b"\0")


def func_arg_cnt(caller: Caller, context: Context) -> int:
    """How many words of arguments the function has."""
    return _count(caller, "get_func_arg_cnt")


def func_arg(caller: Caller, context: Context, number: int, to: Pointer) -> int:
    """0 and a word of the arguments, or -EINVAL for one that is not there."""
    if number & 0xFFFF_FFFF >= _count(caller, "get_func_arg"):
        return -errno.EINVAL
    caller.write(to, _word(context, number & 0xFFFF_FFFF), "argument 3 of bpf_get_func_arg#183")
    return 0


def func_ret(caller: Caller, context: Context, to: Pointer) -> int:
    """0 and what the function returned, or -EOPNOTSUPP where it did not yet."""
    count = _count(caller, "get_func_ret")
    if not caller.system.input.returned:
        return -errno.EOPNOTSUPP
    caller.write(to, _word(context, count), "argument 2 of bpf_get_func_ret#184")
    return 0


def d_path(caller: Caller, path: Operand, to: Pointer, size: int) -> int:
    """The length of a path with its zero, or -ENAMETOOLONG. It is put together at the end of the buffer, and moved to
    its beginning."""
    text = caller.system.input.paths.get(caller.number(None, path))
    if text is None:
        raise Stop("helper", "bpf_d_path#147: nothing tells what the path there leads to; give the object a text, "
                   'vmlinux.new("file", f_path="/etc/passwd")')  # fmt: skip
    whole = text + b"\0"
    if not size:
        return 0
    if len(whole) > size:
        return -errno.ENAMETOOLONG
    what = "argument 2 of bpf_d_path#147"
    left = caller.read(to, size, what)[: size - len(whole)]
    caller.write(to, whole + (left + whole)[len(whole) :], what)
    return len(whole)


HELPERS: Mapping[str, Function] = {
    "get_func_arg": func_arg,
    "get_func_arg_cnt": func_arg_cnt,
    "get_func_ret": func_ret,
    "d_path": d_path,
}
