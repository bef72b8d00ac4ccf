"""Values of the kernel's configuration as the bytes that externs of section .kconfig hold: libbpf's rules.

CONFIG_HZ=250                 integers of 1 to 8 bytes, if the value fits
CONFIG_BPF=y                  bool, char, enum libbpf_tristate; m for the last two only
CONFIG_DEFAULT_HOSTNAME="x"   char arrays, cut to their size less the closing zero
# CONFIG_KASAN is not set     as if the line were missing
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.bits import signed
from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Array, Enum, Enum64, Int
from bpfvm.obj.model import ExternSpec

TRISTATE = "libbpf_tristate"  # enum libbpf_tristate of bpf/bpf_helpers.h
_LETTERS = {"n": 0, "y": 1, "m": 2}
_SIZES = (1, 2, 4, 8)


def values(config: str, names: Collection[str]) -> dict[str, str]:
    """What a kernel configuration says of `names`, as text. The first line of a name counts."""
    found: dict[str, str] = {}
    for line in config.splitlines():
        name, equals, value = line.partition("=")
        if equals and name in names:
            found.setdefault(name, value)
    return found


def shape_of(btf: Btf, one: ExternSpec) -> str:
    """What kind of value an extern takes: "bool", "char", "int", "tristate" or "string". LoadError for all others."""
    number = btf.strip(one.type)
    shape = _scalar(btf, number)
    kind = btf[number] if number else None
    if isinstance(kind, Array) and kind.count and _scalar(btf, btf.strip(kind.type)) == "char":
        return "string"
    if shape is None:
        wanted = f"bool, char, an integer, enum {TRISTATE} or an array of char"
        raise LoadError(f"extern {one.name} of .kconfig is of type {btf.name_of(one.type)}; it may be {wanted}")
    return shape


def _scalar(btf: Btf, number: int) -> str | None:
    match btf[number] if number else None:
        case Int(size=size, is_bool=True):
            return "bool" if size == 1 else None
        case Int(size=1):
            return "char"
        case Int(size=size):
            return "int" if size in _SIZES else None
        case Enum(name=name, size=4) | Enum64(name=name):
            return "tristate" if name == TRISTATE else None
    return None


def encode(btf: Btf, one: ExternSpec, text: str, endian: str) -> bytes:
    """`text`, as a configuration has it, as the bytes of extern `one`. LoadError where it does not fit its type."""
    shape = shape_of(btf, one)
    if text in _LETTERS:
        return _letter(one, shape, text, endian)
    if text.startswith('"'):
        return _string(one, shape, text)
    number = _integer(text)
    if number is None:
        raise LoadError(f"{one.name}={text} in the kernel's configuration is no integer, letter or string")
    if shape not in ("int", "char", "bool"):
        raise LoadError(f"{one.name}={text}: the extern is {an(shape)}, and the value is an integer")
    kind = btf[btf.strip(one.type)]
    assert isinstance(kind, Int)
    bits = kind.size * 8
    cut = signed(number, bits) if kind.is_signed else number & ((1 << bits) - 1)
    if kind.size < 8 and cut != signed(number, 64) and cut != number:
        raise LoadError(f"{one.name}={text} does not fit in the {octets(kind.size)} of {btf.name_of(one.type)}")
    if kind.is_bool and number > 1:
        raise LoadError(f"{one.name}={text}: the extern is a bool, and the value is neither 0 nor 1")
    return (number & ((1 << bits) - 1)).to_bytes(kind.size, _order(endian))


def _integer(text: str) -> int | None:
    """As strtoull reads it, base 0, wrapped to 64 bits; None for all else."""
    sign = text[:1] in ("-", "+")
    digits = text[1:] if sign else text
    if not digits.isascii() or "_" in digits or not digits[:1].isdigit():
        return None
    try:
        number = int(digits, 8 if digits.startswith("0") and digits[1:].isdigit() else 0)
    except ValueError:
        return None
    if number >> 64:
        return None
    return (-number if text[:1] == "-" else number) & ((1 << 64) - 1)


def _letter(one: ExternSpec, shape: str, text: str, endian: str) -> bytes:
    if shape == "char":
        return text.encode()
    if shape == "tristate":
        return _LETTERS[text].to_bytes(one.size, _order(endian))
    if shape == "bool" and text != "m":
        return bytes([_LETTERS[text]])
    raise LoadError(f"{one.name}={text} in the kernel's configuration, and the extern is of kind {shape}")


def _string(one: ExternSpec, shape: str, text: str) -> bytes:
    if shape != "string":
        raise LoadError(f"{one.name}={text}: the value is a string, and the extern is of kind {shape}")
    if len(text) < 2 or not text.endswith('"'):
        raise LoadError(f"{one.name}={text} in the kernel's configuration has no closing quote")
    return text[1:-1].encode(errors="surrogateescape")[: one.size - 1].ljust(one.size, b"\0")


def _order(endian: str) -> Literal["little", "big"]:
    return "little" if endian == "little" else "big"
