"""The instruction table as a page for people: docs/isa.md is this text."""

from __future__ import annotations

from collections.abc import Iterator

from bpfvm.isa.asm_ubpf import form_of
from bpfvm.isa.ops import OPS, PLACEHOLDERS, RESERVED, Kind, Op

_HEAD = """# The instruction set

Every operation that bpfvm knows: RFC 9669 and what Linux added since. This page is made from the table
`bpfvm/isa/ops.py` by `pytest tests/golden --update`; do not edit it.

A slot is 8 bytes. In a little-endian object:

    byte  0       1            2..3     4..7
          opcode  src:4 dst:4  offset   immediate

A big-endian object has the halves of byte 1 exchanged, and offset and immediate in its own byte order. A wide
instruction (`lddw`) has a second slot that holds the upper half of its immediate and nothing else.

**Selectors** are fields that tell operations of one opcode byte apart. A field that is neither an operand nor a
selector must be 0. **Text** is the kernel's, as `bpfvm disasm` prints it; **uBPF** is the dialect of uBPF and of
conformance suites, — where that has no word. **Since** is the kernel version, — where no kernel takes the operation.
"""
_RESERVED = """## Reserved opcode bytes

{count} of the 256 opcode bytes mean nothing. The kernel rewrites instructions to some of them after its checks (tail
calls, loads that may fault, accesses to arenas); a program that holds them is refused.

| reason | opcode bytes |
|---|---|
"""
_TITLES = ("name", "opcode", "selectors", "operands", "text", "uBPF", "group", "since", "RFC 9669")
_COLUMNS = f"| {' | '.join(_TITLES)} |\n{'|---' * len(_TITLES)}|\n"
_ORDER = ("dst", "src", "off", "imm", "high")


def page() -> str:
    """The whole page, in Markdown."""
    parts = [_HEAD, _legend()]
    for kind in Kind:
        rows = "".join(f"| {' | '.join(_row(op))} |\n" for op in OPS if op.kind is kind)
        parts.append(f"## {kind.name.replace('_', ' ')}: {kind.value}\n\n{_COLUMNS}{rows}")
    return "\n".join([*parts, _reserved()])


def _legend() -> str:
    lines = (f"* `{{{name}}}` {meaning}\n" for name, meaning in PLACEHOLDERS.items())
    return f"In the text stand\n\n{''.join(lines)}"


def _row(op: Op) -> Iterator[str]:
    selectors = {"src": op.src_is, "off": op.off_is, "imm": op.imm_is}
    yield f"`{op.name}`"
    yield f"`{op.code:#04x}`"
    yield ", ".join(f"{name} = {value:#x}" for name, value in selectors.items() if value is not None)
    yield ", ".join(name for name in _ORDER if name in op.uses)
    yield _code(op.text)
    yield _code(form_of(op))
    yield op.group
    yield op.since or "—"
    yield op.rfc


def _code(text: str | None) -> str:
    return "—" if text is None else "`" + text.replace("|", "\\|") + "`"


def _reserved() -> str:
    by_reason: dict[str, list[str]] = {}
    for code, reason in sorted(RESERVED.items()):
        by_reason.setdefault(reason, []).append(f"`{code:#04x}`")
    rows = "".join(f"| {reason} | {' '.join(codes)} |\n" for reason, codes in by_reason.items())
    return _RESERVED.format(count=len(RESERVED)) + rows
