"""The instruction table: one row an operation, RFC 9669 and what Linux added since.

A row is found by its opcode byte and, where one byte carries several operations, by the fields that select among
them (`off_is`, `imm_is`, `src_is`). Codec, assembler, disassembler, the reference tier, the constant folder and the
fuzzer read this table and hold no opcode numbers of their own.

Opcode byte (RFC 9669 section 3):    arithmetic and jumps           loads and stores
                                     7  6  5  4 | 3 | 2  1  0       7  6  5 | 4  3 | 2  1  0
                                     operation  | X |  class         mode   | size |  class
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bpfvm.core.bits import mask, signed, swapped

LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 = range(8)  # instruction classes
K, X = 0x00, 0x08  # second operand: immediate, register
SIZES = {32: 0x00, 16: 0x08, 8: 0x10, 64: 0x18}  # W, H, B, DW
IMM, ABS, IND, MEM, MEMSX, ATOMIC = (mode << 5 for mode in (0, 1, 2, 3, 4, 6))
FETCH = 0x01

Value = Callable[[int, int, int], int]  # (dst, src, bits) -> result; the caller cuts it to bits
Test = Callable[[int, int, int], bool]  # (dst, src, bits) -> is the jump taken


class Kind(enum.Enum):
    """What an instruction does to the machine; every reader of the table dispatches on this."""

    ALU = "dst = value(dst, operand)"
    CAST = "dst = src as a pointer of another address space"
    JUMP = "if test(dst, operand) go to off"
    GOTO = "go to off, to imm, or to the address in dst"
    MAY_GOTO = "go to off when the loop budget is spent"
    CALL = "call a helper, a function of this program, a kernel function, or the address in dst"
    EXIT = "return r0"
    LOAD = "dst = memory at src + off, zero-extended"
    LOAD_SX = "dst = memory at src + off, sign-extended"
    STORE = "memory at dst + off = operand"
    ATOMIC = "memory at dst + off = value(memory, src)"
    LOAD_ACQUIRE = "dst = memory at src + off, ordered"
    STORE_RELEASE = "memory at dst + off = src, ordered"
    IMM64 = "dst = 64-bit immediate, map, map value, variable or function"
    PACKET = "r0 = packet bytes at imm (+ src), from network byte order"


# What stands for an operand in Op.text. A register is wN in 32-bit arithmetic and 32-bit jumps, else rN.
PLACEHOLDERS: Mapping[str, str] = {
    "d": "the register dst",
    "s": "the register src",
    "z": "r0",
    "i": "imm, decimal",
    "x": "imm, as an unsigned 32-bit number in hex",
    "l": "the 64-bit imm, in hex",
    "o": "off, with its sign",
    "t": "the target of a jump or call, pc+3 or a label",
    "f": "a helper, name#number",
    "n": "a symbol, name or #number or both; the number is the low half of a wide imm",
    "v": "the number behind a symbol: the upper half of a wide imm, or off",
    "a": "the address space of dst: the upper half of imm",
    "b": "the address space of src: the lower half of imm",
}


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One row. `uses` names the fields that are operands; all others must hold 0 or the selector's value."""

    name: str
    code: int
    kind: Kind
    bits: int  # of the operands; for memory, of the access
    text: str  # the kernel's syntax, with the placeholders of PLACEHOLDERS
    uses: frozenset[str]  # of dst, src, off, imm, and high: the upper half of a wide immediate
    off_is: int | None = None
    imm_is: int | None = None
    src_is: int | None = None
    value: Value | None = None
    test: Test | None = None
    group: str = "base64"  # conformance group of RFC 9669, or "linux"
    since: str = "3.18"  # kernel version, "" for what no kernel takes
    rfc: str = ""  # section of RFC 9669

    @property
    def operand(self) -> str:
        """Where the second operand of arithmetic, jumps and stores comes from: "src" or "imm"."""
        return "src" if "src" in self.uses else "imm"

    @property
    def fetches(self) -> bool:
        """An atomic operation that also loads the old value."""
        return self.kind is Kind.ATOMIC and self.imm_is is not None and bool(self.imm_is & FETCH)

    def __repr__(self) -> str:
        return f"<Op {self.name}>"

    def __reduce__(self) -> tuple[object, ...]:
        return _row, (self.name,)  # the row of the process that reads it


def _row(name: str) -> Op:
    return BY_NAME[name]


def _div(d: int, s: int, bits: int) -> int:
    return d // s if s else 0  # RFC 9669 4.1: division by zero gives 0


def _mod(d: int, s: int, bits: int) -> int:
    return d % s if s else d  # modulo by zero leaves dst as it is


def _sdiv(d: int, s: int, bits: int) -> int:
    a, b = signed(d, bits), signed(s, bits)
    if not b:
        return 0
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)  # truncates toward zero; MIN / -1 wraps to MIN


def _smod(d: int, s: int, bits: int) -> int:
    a, b = signed(d, bits), signed(s, bits)
    if not b:
        return d
    return abs(a) % abs(b) * (-1 if a < 0 else 1)  # the sign of the dividend


def _shift(s: int, bits: int) -> int:
    return s & (bits - 1)


# name, operation, sign in the text, value, selector in off, group, since, section
_ALU: tuple[tuple[str, int, str, Value, int, str, str, str], ...] = (
    ("add", 0x00, "+=", lambda d, s, bits: d + s, 0, "base", "3.18", "4.1"),
    ("sub", 0x10, "-=", lambda d, s, bits: d - s, 0, "base", "3.18", "4.1"),
    ("mul", 0x20, "*=", lambda d, s, bits: d * s, 0, "divmul", "3.18", "4.1"),
    ("div", 0x30, "/=", _div, 0, "divmul", "3.18", "4.1"),
    ("sdiv", 0x30, "s/=", _sdiv, 1, "divmul", "6.6", "4.1"),
    ("or", 0x40, "|=", lambda d, s, bits: d | s, 0, "base", "3.18", "4.1"),
    ("and", 0x50, "&=", lambda d, s, bits: d & s, 0, "base", "3.18", "4.1"),
    ("lsh", 0x60, "<<=", lambda d, s, bits: d << _shift(s, bits), 0, "base", "3.18", "4.1"),
    ("rsh", 0x70, ">>=", lambda d, s, bits: d >> _shift(s, bits), 0, "base", "3.18", "4.1"),
    ("mod", 0x90, "%=", _mod, 0, "divmul", "3.18", "4.1"),
    ("smod", 0x90, "s%=", _smod, 1, "divmul", "6.6", "4.1"),
    ("xor", 0xA0, "^=", lambda d, s, bits: d ^ s, 0, "base", "3.18", "4.1"),
    ("mov", 0xB0, "=", lambda d, s, bits: s, 0, "base", "3.18", "4.1"),
    ("arsh", 0xC0, "s>>=", lambda d, s, bits: signed(d, bits) >> _shift(s, bits), 0, "base", "3.18", "4.1"),
)

# name, operation, sign, test, group, since
_JUMPS: tuple[tuple[str, int, str, Test], ...] = (
    ("jeq", 0x10, "==", lambda d, s, bits: d == s),
    ("jgt", 0x20, ">", lambda d, s, bits: d > s),
    ("jge", 0x30, ">=", lambda d, s, bits: d >= s),
    ("jset", 0x40, "&", lambda d, s, bits: bool(d & s)),
    ("jne", 0x50, "!=", lambda d, s, bits: d != s),
    ("jsgt", 0x60, "s>", lambda d, s, bits: signed(d, bits) > signed(s, bits)),
    ("jsge", 0x70, "s>=", lambda d, s, bits: signed(d, bits) >= signed(s, bits)),
    ("jlt", 0xA0, "<", lambda d, s, bits: d < s),
    ("jle", 0xB0, "<=", lambda d, s, bits: d <= s),
    ("jslt", 0xC0, "s<", lambda d, s, bits: signed(d, bits) < signed(s, bits)),
    ("jsle", 0xD0, "s<=", lambda d, s, bits: signed(d, bits) <= signed(s, bits)),
)

# name, selector in imm, value of the memory after, text, since
_ATOMICS: tuple[tuple[str, int, Value, str, str], ...] = (
    ("add", 0x00, lambda d, s, bits: d + s, "lock *({u} *)({d} {o}) += {s}", "3.18"),
    ("or", 0x40, lambda d, s, bits: d | s, "lock *({u} *)({d} {o}) |= {s}", "5.12"),
    ("and", 0x50, lambda d, s, bits: d & s, "lock *({u} *)({d} {o}) &= {s}", "5.12"),
    ("xor", 0xA0, lambda d, s, bits: d ^ s, "lock *({u} *)({d} {o}) ^= {s}", "5.12"),
    ("fetch_add", 0x01, lambda d, s, bits: d + s, "{s} = atomic{b}_fetch_add(({u} *)({d} {o}), {s})", "5.12"),
    ("fetch_or", 0x41, lambda d, s, bits: d | s, "{s} = atomic{b}_fetch_or(({u} *)({d} {o}), {s})", "5.12"),
    ("fetch_and", 0x51, lambda d, s, bits: d & s, "{s} = atomic{b}_fetch_and(({u} *)({d} {o}), {s})", "5.12"),
    ("fetch_xor", 0xA1, lambda d, s, bits: d ^ s, "{s} = atomic{b}_fetch_xor(({u} *)({d} {o}), {s})", "5.12"),
    ("xchg", 0xE1, lambda d, s, bits: s, "{s} = atomic{b}_xchg(({u} *)({d} {o}), {s})", "5.12"),
    # value is what is stored when memory equals r0; r0 receives the old value in either case
    ("cmpxchg", 0xF1, lambda d, s, bits: s, "{z} = atomic{b}_cmpxchg(({u} *)({d} {o}), {z}, {s})", "5.12"),
)


def _uses(*names: str) -> frozenset[str]:
    return frozenset(names)


def _alu_rows() -> list[Op]:
    rows = []
    for name, operation, sign, value, select, group, since, rfc in _ALU:
        for bits, cls in ((64, ALU64), (32, ALU)):
            for form, operand, field in (("k", "{i}", "imm"), ("x", "{s}", "src")):
                code = operation | cls | (X if field == "src" else K)
                rows.append(
                    Op(f"{name}{bits}_{form}", code, Kind.ALU, bits, f"{{d}} {sign} {operand}", _uses("dst", field),
                       off_is=select, value=value, group=f"{group}{bits}", since=since, rfc=rfc)
                )  # fmt: skip
    for bits, cls in ((64, ALU64), (32, ALU)):
        rows.append(
            Op(f"neg{bits}", 0x80 | cls, Kind.ALU, bits, "{d} = -{d}", _uses("dst"), value=lambda d, s, bits: -d,
               group=f"base{bits}", rfc="4.1")
        )  # fmt: skip
        for width in (8, 16, 32)[: 3 if bits == 64 else 2]:
            rows.append(
                Op(f"movs{width}_{bits}", 0xB0 | X | cls, Kind.ALU, bits, f"{{d}} = (s{width}){{s}}",
                   _uses("dst", "src"), off_is=width, value=_sign_extend(width), group=f"base{bits}", since="6.6",
                   rfc="4.1")
            )  # fmt: skip
    rows.append(
        Op("addr_space_cast", 0xB0 | X | ALU64, Kind.CAST, 64, "{d} = addr_space_cast({s}, {a}, {b})",
           _uses("dst", "src", "imm"), off_is=1, group="linux", since="6.9")
    )  # fmt: skip
    for width in (16, 32, 64):  # the result is always width bits, zero-extended to 64
        for name, code, value, since in (
            ("le", 0xD0 | ALU | K, _truncate(width), "3.18"),
            ("be", 0xD0 | ALU | X, _swap(width), "3.18"),
            ("bswap", 0xD0 | ALU64 | K, _swap(width), "6.6"),
        ):
            rows.append(
                Op(f"{name}{width}", code, Kind.ALU, 64, f"{{d}} = {name}{width} {{d}}", _uses("dst"), imm_is=width,
                   value=value, group="base64" if width == 64 else "base32", since=since, rfc="4.2")
            )  # fmt: skip
    return rows


def _sign_extend(width: int) -> Value:
    return lambda d, s, bits: signed(s, width)


def _truncate(width: int) -> Value:
    return lambda d, s, bits: d & mask(width)


def _swap(width: int) -> Value:
    return lambda d, s, bits: swapped(d, width)


def _jump_rows() -> list[Op]:
    rows = [
        Op("ja", 0x05, Kind.GOTO, 16, "goto {t}", _uses("off"), rfc="4.3"),
        Op("gotol", 0x06, Kind.GOTO, 32, "gotol {t}", _uses("imm"), group="base32", since="6.6", rfc="4.3"),
        Op("gotox", 0x0D, Kind.GOTO, 64, "gotox {d}", _uses("dst"), group="linux", since="6.19"),
        Op("may_goto", 0xE5, Kind.MAY_GOTO, 16, "may_goto {t}", _uses("off"), src_is=0, group="linux", since="6.9"),
        Op("call", 0x85, Kind.CALL, 64, "call {f}", _uses("imm"), src_is=0, rfc="4.3.1"),
        Op("call_local", 0x85, Kind.CALL, 64, "call {t}", _uses("imm"), src_is=1, since="4.16", rfc="4.3.2"),
        Op("call_kfunc", 0x85, Kind.CALL, 64, "call kfunc[{n}]@{v}", _uses("imm", "off"), src_is=2, since="5.13",
           rfc="4.3.1"),
        Op("callx", 0x8D, Kind.CALL, 64, "callx {d}", _uses("dst"), group="callx", since=""),
        Op("exit", 0x95, Kind.EXIT, 64, "exit", _uses(), rfc="4.3"),
    ]  # fmt: skip
    for name, operation, sign, test in _JUMPS:
        for bits, cls, since in ((64, JMP, "3.18"), (32, JMP32, "5.1")):
            for form, operand, field in (("k", "{x}", "imm"), ("x", "{s}", "src")):
                code = operation | cls | (X if field == "src" else K)
                rows.append(
                    Op(f"{name}{bits}_{form}", code, Kind.JUMP, bits, f"if {{d}} {sign} {operand} goto {{t}}",
                       _uses("dst", field, "off"), test=test, group=f"base{bits}", since=since, rfc="4.3")
                )  # fmt: skip
    return rows


def _memory_rows() -> list[Op]:
    rows = []
    for bits, size in SIZES.items():
        group = "base64" if bits == 64 else "base32"
        unsigned = f"u{bits}"
        rows += [
            Op(f"ldx{bits}", MEM | size | LDX, Kind.LOAD, bits, f"{{d}} = *({unsigned} *)({{s}} {{o}})",
               _uses("dst", "src", "off"), group=group, rfc="5.1"),
            Op(f"st{bits}", MEM | size | ST, Kind.STORE, bits, f"*({unsigned} *)({{d}} {{o}}) = {{i}}",
               _uses("dst", "imm", "off"), group=group, rfc="5.1"),
            Op(f"stx{bits}", MEM | size | STX, Kind.STORE, bits, f"*({unsigned} *)({{d}} {{o}}) = {{s}}",
               _uses("dst", "src", "off"), group=group, rfc="5.1"),
            Op(f"load_acquire{bits}", ATOMIC | size | STX, Kind.LOAD_ACQUIRE, bits,
               f"{{d}} = load_acquire(({unsigned} *)({{s}} {{o}}))", _uses("dst", "src", "off"), imm_is=0x100,
               group="linux", since="6.15"),
            Op(f"store_release{bits}", ATOMIC | size | STX, Kind.STORE_RELEASE, bits,
               f"store_release(({unsigned} *)({{d}} {{o}}), {{s}})", _uses("dst", "src", "off"), imm_is=0x110,
               group="linux", since="6.15"),
        ]  # fmt: skip
        if bits != 64:
            rows += [
                Op(f"ldsx{bits}", MEMSX | size | LDX, Kind.LOAD_SX, bits, f"{{d}} = *(s{bits} *)({{s}} {{o}})",
                   _uses("dst", "src", "off"), group="base64", since="6.6", rfc="5.2"),
                Op(f"ldabs{bits}", ABS | size | LD, Kind.PACKET, bits, f"{{z}} = *({unsigned} *)skb[{{i}}]",
                   _uses("imm"), group="packet", rfc="5.5"),
                Op(f"ldind{bits}", IND | size | LD, Kind.PACKET, bits, f"{{z}} = *({unsigned} *)skb[{{s}} + {{i}}]",
                   _uses("src", "imm"), group="packet", rfc="5.5"),
            ]  # fmt: skip
        if bits >= 32:
            rows += [
                Op(f"atomic_{name}{bits}", ATOMIC | size | STX, Kind.ATOMIC, bits,
                   text.replace("{u}", unsigned).replace("{b}", "64" if bits == 64 else ""),
                   _uses("dst", "src", "off"), imm_is=select, value=value, group=f"atomic{bits}", since=since,
                   rfc="5.3")
                for name, select, value, text, since in _ATOMICS
            ]  # fmt: skip
    return rows


# src selects what the 64-bit immediate of lddw means (RFC 9669 5.4). The kernel prints a plain one without "ll", which
# could then not be told from mov; symbols are ours, because the kernel prints addresses.
_IMM64 = (
    ("lddw", 0, "{d} = {l} ll", "3.18"),
    ("lddw_map", 1, "{d} = map[{n}]", "3.18"),
    ("lddw_map_value", 2, "{d} = map[{n}]+{v}", "5.2"),
    ("lddw_btf_id", 3, "{d} = ksym[{n}]@{v}", "5.10"),  # @ the BTF object that numbers it, 0 for the kernel's own
    ("lddw_func", 4, "{d} = func {t}", "5.13"),
    ("lddw_map_idx", 5, "{d} = map_idx[{n}]", "5.14"),
    ("lddw_map_idx_value", 6, "{d} = map_idx[{n}]+{v}", "5.14"),
)


def _imm64_rows() -> list[Op]:
    return [
        Op(name, IMM | SIZES[64] | LD, Kind.IMM64, 64, text,
           _uses("dst", "imm", "high") if "{l}" in text or "{v}" in text else _uses("dst", "imm"),
           src_is=src, since=since, rfc="5.4")
        for name, src, text, since in _IMM64
    ]  # fmt: skip


OPS: tuple[Op, ...] = (*_alu_rows(), *_jump_rows(), *_memory_rows(), *_imm64_rows())

BY_NAME: Mapping[str, Op] = {op.name: op for op in OPS}

BY_CODE: Mapping[int, tuple[Op, ...]] = {
    code: tuple(op for op in OPS if op.code == code) for code in sorted({op.code for op in OPS})
}


_SIZES = tuple(SIZES.values())
_OPERATIONS = (0xE0, 0xF0)

# Reason -> the opcode bytes that mean nothing for it
_RESERVED: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("a wide load is 64 bits", tuple(LD | IMM | SIZES[bits] for bits in (32, 16, 8))),
    ("packet loads are up to 32 bits", (LD | ABS | SIZES[64], LD | IND | SIZES[64])),
    ("class LD has no such mode", tuple(LD | mode << 5 | size for mode in (3, 4, 5, 6, 7) for size in _SIZES)),
    ("class LDX has no such mode", tuple(LDX | mode << 5 | size for mode in (0, 1, 2, 5, 6, 7) for size in _SIZES)),
    ("a load of 64 bits has no sign to extend", (LDX | MEMSX | SIZES[64],)),
    ("class ST has no such mode", tuple(ST | mode << 5 | size for mode in (0, 1, 2, 4, 5, 6, 7) for size in _SIZES)),
    ("class STX has no such mode", tuple(STX | mode << 5 | size for mode in (0, 1, 2, 4, 5, 7) for size in _SIZES)),
    ("arithmetic has no such operation", tuple(at | cls | form for at in _OPERATIONS for cls in (ALU, ALU64)
                                               for form in (K, X))),
    ("negation has no second register", (0x80 | ALU | X, 0x80 | ALU64 | X)),
    ("the byte swap of 64-bit arithmetic has one form", (0xD0 | ALU64 | X,)),
    ("class JMP has no such operation", tuple(0xF0 | JMP | form for form in (K, X))),
    ("class JMP32 has no such operation", tuple(at | JMP32 | form for at in (0x80, 0x90, *_OPERATIONS)
                                                for form in (K, X))),
    ("this jump has no register form", (0x00 | JMP32 | X, 0x90 | JMP | X, 0xE0 | JMP | X)),
)  # fmt: skip

# Every opcode byte that no row has, with the reason. The kernel rewrites instructions to some of them after its
# checks (tail calls, loads that may fault, arena accesses); they mean nothing in a program that is given to it.
RESERVED: Mapping[int, str] = {code: reason for reason, codes in _RESERVED for code in codes}


def find(code: int, src: int, off: int, imm: int) -> Op | None:
    """The row that these raw fields select, or None when the opcode or its selectors are not in the table."""
    for op in BY_CODE.get(code, ()):
        if (
            (op.off_is is None or op.off_is == off)
            and (op.imm_is is None or op.imm_is == imm)
            and (op.src_is is None or op.src_is == src)
        ):
            return op
    return None


def alu(op: Op, dst: int, operand: int) -> int:
    """What `op` computes of two 64-bit unsigned numbers: cut to its width, zero-extended to 64 bits."""
    assert op.value is not None, op.name
    cut = mask(op.bits)
    return op.value(dst & cut, operand & cut, op.bits) & cut


def taken(op: Op, dst: int, operand: int) -> bool:
    """Whether the conditional jump `op` is taken for two 64-bit unsigned numbers."""
    assert op.test is not None, op.name
    cut = mask(op.bits)
    return op.test(dst & cut, operand & cut, op.bits)
