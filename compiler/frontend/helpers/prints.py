"""`print(...)`: one line of the trace, by bpf_trace_printk, or bpf_trace_vprintk for more than three values.

The line is the one that CPython prints: what a format of the kernel's cannot say alike is an error.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bpfvm.compiler.frontend.memory.access import is_text
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import (
    BOOLEAN,
    NOTHING,
    Bad,
    Maybe,
    Nothing,
    Nullable,
    Number,
    Pointer,
    Reference,
    Static,
    Value,
)
from bpfvm.lang.types.interval import Interval
from bpfvm.lang.types.layout import size_of
from bpfvm.lang.types.scalars import char, u8

# BPF's own limits on a line and its values (kernel/trace/bpf_trace.c, include/linux/bpf.h: MAX_BPRINTF_*)
_LINE, _BUFFER, _REGISTERS, _MOST = 1024, 512, 3, 12
_ALIGN, _WIDTH = r"(?P<align> ?[<>])?", r"(?P<width>[1-9]\d*)?"
_NUMBER = re.compile(rf"{_ALIGN}(?P<sign>[-+ ]?)(?P<prefix>#?)(?P<zero>0?){_WIDTH}(?P<kind>[dxXc]?)")
_TEXT = re.compile(rf"{_ALIGN}{_WIDTH}s?")
_DIGITS = 20  # of the longest number, its sign and all
_FORMS = "{x}, {x:d}, {x:x}, {x:#x}, {x:08x}, {x:>10}, {x:c} for numbers, {s}, {s:<16} for char arrays"


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of the format. word: the value that it shows, if any; room: bytes of the line that it takes at most;
    size: of the buffer in which the kernel keeps values."""

    form: str
    word: Register | None = None
    room: int = 0
    size: int = 0


def call(f: Translation, node: ast.Call) -> Value:
    """`print(a, b, sep=" ", end="\\n")`."""
    between, end = _named(f, node)
    parts: list[_Part] = []
    for place, one in enumerate(node.args):
        if place and between:
            parts.append(_text(f, between, one))
        parts += _shown(f, one)
        if not f.reachable:
            return NOTHING
    if end not in ("", "\n"):
        parts.append(_text(f, end, node))
    if any(one.size < 0 for one in parts) or not _fits(f, node, parts):
        return NOTHING
    _emit(f, node, parts)
    return NOTHING


_BAD = _Part("", size=-1)


def _named(f: Translation, node: ast.Call) -> tuple[str, str]:
    """`sep` and `end`."""
    found = {"sep": " ", "end": "\n"}
    for one in node.keywords:
        if one.arg in found and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str):
            found[one.arg] = one.value.value
        else:
            text = f"`print` takes sep and end, constant texts, by name here, not `{one.arg or '**'}`"
            f.error("E013", text, one.value, help='print(x, y, sep=", ")')
    return found["sep"], found["end"]


def _shown(f: Translation, node: ast.expr) -> Iterator[_Part]:
    """The parts of one argument."""
    from bpfvm.compiler.frontend.expr import value

    if not isinstance(node, ast.JoinedStr):
        yield _formatted(f, value(f, node), "", node)
        return
    for one in node.values:
        if isinstance(one, ast.Constant):
            yield _text(f, str(one.value), node)
        elif isinstance(one, ast.FormattedValue):
            shown = value(f, one.value)
            spec = _spec(f, one)
            yield _BAD if spec is None else _formatted(f, shown, spec, one.value)


def _spec(f: Translation, node: ast.FormattedValue) -> str | None:
    """What stands behind the colon. None after an error."""
    parts = node.format_spec.values if isinstance(node.format_spec, ast.JoinedStr) else []
    spec = "".join(str(one.value) for one in parts if isinstance(one, ast.Constant))
    if any(not isinstance(one, ast.Constant) for one in parts) or node.conversion not in (-1, ord("s")):
        text = ast.unparse(ast.JoinedStr([node]))  # what its own place is differs between Pythons
        f.error("E022", f"`{text}` is not printed here", node.value, help=_FORMS)
        return None
    return spec


def _text(f: Translation, text: str, node: ast.AST) -> _Part:
    """Text as it is. The kernel takes ASCII."""
    wrong = next((one for one in text if not (one.isascii() and (one.isprintable() or one.isspace()))), None)
    if wrong is not None:
        f.error(
            "E022",
            f"`print` cannot show {wrong!r}",
            node,
            why="the kernel takes formats of ASCII's letters, digits, punctuation and blanks alone",
            help="write it in ASCII",
        )
        return _BAD
    return _Part(text.replace("%", "%%"), room=len(text))


def _formatted(f: Translation, shown: Value, spec: str, node: ast.expr) -> _Part:
    """One value by its format."""
    match shown:
        case Bad():
            return _BAD
        case Maybe() | Nullable():
            f.may_be_none(node, shown)
            return _BAD
        case Nothing():
            return _text(f, format(None, spec), node) if not spec else _refuse(f, shown, spec, node)
        case Static():
            return _constant(f, shown.object, spec, node)
        case Number():
            known = f.state.known(shown)
            if known.constant is not None and len(known.kinds) == 1:
                made: object = bool(known.constant) if known.kinds == BOOLEAN else known.constant
                return _constant(f, made if known.member is None else known.member, spec, node)
            return _number(f, known, spec, node)
        case Reference() if is_text(shown.type):
            return _array(f, shown, spec, node)
    return _refuse(f, shown, spec, node)


def _constant(f: Translation, found: object, spec: str, node: ast.expr) -> _Part:
    """A constant is shown by CPython, when the program is compiled."""
    if not isinstance(found, str | bytes | int | None):
        return _refuse(f, Static(found), spec, node)
    try:
        return _text(f, format(found, spec), node)
    except (ValueError, TypeError) as error:
        f.error("E025", f"`{f.quoted(node)}` cannot be shown as `{spec}`: {error}", node, help=_FORMS)
        return _BAD


def _number(f: Translation, number: Number, spec: str, node: ast.expr) -> _Part:
    found = _NUMBER.fullmatch(spec)
    if not f.exact(number, node):
        return _BAD
    if "bool" in number.described and not spec.endswith("d"):
        f.error("E022", f"`{f.quoted(node)}` is a truth value, which CPython prints as a word", node,
                help=f"show it as a number: {{{f.quoted(node)}:d}}")  # fmt: skip
        return _BAD
    if found is None or (found["zero"] and found["align"]):
        return _refuse(f, number, spec, node)
    kind, width = found["kind"], int(found["width"] or 0)
    lies = number.range
    if kind == "c":
        if not lies.within(Interval(1, 127)) or found["sign"] or found["prefix"] or found["zero"] or found["align"]:
            f.error("E021", f"`{f.quoted(node)}` {f.lies(lies)}, and `c` shows 1 to 127", node,
                    help=f"assert 32 <= {f.quoted(node)} < 127")  # fmt: skip
            return _BAD
        return _Part(f"%{'-' if width else ''}{width or ''}c", f.register(number), max(width, 1), 1)
    if kind in ("x", "X"):
        return _hexadecimal(f, number, found, node)
    if found["prefix"]:
        return _refuse(f, number, spec, node)
    left = "-" if (found["align"] or "").endswith("<") else ""
    sign = found["sign"].replace("-", "")
    form = f"%{left}{sign}{found['zero']}{width or ''}ll{'d' if lies.lo < 0 or sign else 'u'}"
    if sign and lies.hi >= 1 << 63:
        return _refuse(f, number, spec, node)
    return _Part(form, f.register(number), max(width, _DIGITS), 8)


def _hexadecimal(f: Translation, number: Number, found: re.Match[str], node: ast.expr) -> _Part:
    width, prefix = int(found["width"] or 0), f"0{found['kind']}" if found["prefix"] else ""
    if number.range.lo < 0:
        f.error(
            "E021",
            f"`{f.quoted(node)}` {f.lies(number.range)}, and is shown in hexadecimal",
            node,
            why="CPython shows a number below 0 with a minus, the kernel as 64 bits",
            help=f"cut it: {{u64({f.quoted(node)}):{found['kind']}}}",
        )
        return _BAD
    if found["sign"] or (prefix and width and not found["zero"]):
        return _refuse(f, number, found[0], node)
    left = "-" if (found["align"] or "").endswith("<") else ""
    digits = max(width - len(prefix), 0) or ""
    form = f"{prefix}%{left}{found['zero'] if digits else ''}{digits}ll{found['kind']}"
    return _Part(form, f.register(number), max(width, _DIGITS), 8)


def _array(f: Translation, shown: Reference, spec: str, node: ast.expr) -> _Part:
    """A char array: its text up to a zero."""
    found = _TEXT.fullmatch(spec)
    if found is None:
        return _refuse(f, shown, spec, node)
    size, width = size_of(shown.type), int(found["width"] or 0)
    left = "" if not width or (found["align"] or "").endswith(">") else "-"
    return _Part(f"%{left}{width or ''}s", f.pointer(shown), max(width, size), size + 1)


def _refuse(f: Translation, shown: Value, spec: str, node: ast.expr) -> _Part:
    how = f" as `{spec}`" if spec else ""
    help = _FORMS
    if isinstance(shown, Pointer):
        target, text = shown.kind.__target__, f.quoted(node)
        copied = f"its address: {text}.value"
        if target is char or getattr(target, "__element__", None) is char:
            copied = f"a copy of the text: {text}.str(16)"
        elif target is u8:  # as the kernel has texts, too
            copied += f", or a copy of the text there: {shown.kind.__name__.replace('u8', 'char')}({text}).str(16)"
        help = f"print {copied}"
    f.error("E022", f"`{f.quoted(node)}` is {shown.described}, which is not printed{how}", node, help=help)
    return _BAD


def _fits(f: Translation, node: ast.Call, parts: Sequence[_Part]) -> bool:
    """Whether the kernel has room for the line and for its values on all runs."""
    values = [one for one in parts if one.word is not None]
    if len(values) > _MOST:
        f.error("E013", f"a line shows {_MOST} values at most, and this one has {len(values)}", node,
                help="print them in two lines")  # fmt: skip
        return False
    room, size = sum(one.room for one in parts), sum(one.size for one in parts)
    if room >= _LINE or size > _BUFFER:
        f.error(
            "E022",
            f"the line may have {room} bytes, with {size} bytes of values",
            node,
            why=f"the kernel has room for {_LINE - 1} and {_BUFFER}",
            help="print less, or in two lines",
        )
        return False
    return True


def _emit(f: Translation, node: ast.Call, parts: Sequence[_Part]) -> None:
    form = "".join(one.form for one in parts).encode() + b"\0"
    words = [one.word for one in parts if one.word is not None]
    base, offset = f.constants(form, 1)
    address = f.behind(base, f.number(offset)) if offset else base
    f.stored("")
    if len(words) <= _REGISTERS:
        f.builder.helper("trace_printk", address, f.number(len(form)), *words)
        return
    values = f.stack("values of a line", 8 * len(words), node)
    for at, word in enumerate(words):
        f.builder.op("store64", values, word, imm=8 * at)
    f.builder.helper("trace_vprintk", address, f.number(len(form)), values, f.number(8 * len(words)))
