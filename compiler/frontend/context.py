"""The program's context, its first parameter: fields by the table of its structure."""

from __future__ import annotations

import ast
import difflib

from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import INT, ContextValue, Number, Value
from bpfvm.lang.interval import of_bits
from bpfvm.tables.ctx import CONTEXTS


def attribute(f: Translation, owner: ContextValue, node: ast.Attribute) -> Value:
    """`ctx.ingress_ifindex`: a number of the field's width."""
    structure = CONTEXTS[f.hook.program_type.context or ""]
    field = structure.field(node.attr)
    if field is None:
        offered = [one.name for one in structure.fields if one.pointer is None]
        near = difflib.get_close_matches(node.attr, offered, 1)
        hint = (f"did you mean `{near[0]}`? " if near else "") + f"it offers {' '.join(offered)}"
        return f.error("E037", f"the context {structure.name} has no field `{node.attr}`", f.last_name(node), help=hint)
    if field.pointer is not None:
        return f.error(
            "E037",
            f"`{node.attr}` of {structure.name} is an address, and programs here have none",
            f.last_name(node),
            why="packet bytes are read by their names, with the bounds tested: pkt.ip.proto",
            help="from bpfvm import pkt",
        )
    register = load(f, field.offset, field.size * 8)
    return Number(INT, of_bits(field.size * 8, signed=False), register)


def load(f: Translation, offset: int, bits: int) -> Register:
    """A word of the context, zero-extended."""
    return f.builder.op(f"load{bits}", f.builder.ctx(), imm=offset)


def store(f: Translation, offset: int, word: Register) -> None:
    """Store a u64 into the context."""
    f.builder.op("store64", f.builder.ctx(), word, imm=offset)
