"""The context: its fields read, and written where the kernel lets programs of the kind do it."""

from __future__ import annotations

from bpfvm.fuzz.hooks.kinds import Kind
from bpfvm.fuzz.python.expressions import number
from bpfvm.fuzz.python.term import PLAIN, Term, converted
from bpfvm.fuzz.python.writer import Row, Writer
from bpfvm.lang.types.interval import Interval, of_bits
from bpfvm.tables.ctx.field import CtxField

# What machines answer alike in a test run without being told: the others are numbers of the machine's own.
_KNOWN = ("len", "mark", "priority", "cb", "ifindex", "ingress_ifindex", "rx_queue_index", "protocol", "tc_classid",
          "queue_mapping", "pkt_type", "tc_index", "napi_id")  # fmt: skip


class Context:
    """Rows for the context of one kind of program."""

    def __init__(self, kind: Kind) -> None:
        self.read, self.written = (self._fields(kind, write) for write in (False, True))

    def _fields(self, kind: Kind, write: bool) -> list[CtxField]:
        type, attach = kind.type.name, kind.hook.attach_type
        return [
            one for one in kind.context.fields
            if one.name in _KNOWN and one.pointer is None and one.size == 4
            and kind.context.access(one.offset, one.size, write, type, attach) is not None
        ]  # fmt: skip

    def leaves(self) -> tuple[Row, ...]:
        """Numbers."""
        return (Row("context field", 3, self.field),) if self.read else ()

    def rows(self) -> tuple[Row, ...]:
        """Statements."""
        return (Row("context store", 3, self.store),) if self.written else ()

    def _text(self, w: Writer, one: CtxField) -> str:
        if one.count == 1:
            return f"ctx.{one.name}"
        index = str(w.rng.randrange(one.count)) if w.chance(0.8) else f"{number(w, 0).text} & 3"
        return f"ctx.{one.name}[{index}]"

    def field(self, w: Writer, depth: int) -> Term | None:
        """`ctx.mark`, `ctx.cb[1]`."""
        lists = [one for one in self.read if one.count > 1]
        if lists and w.chance(0.1) and not w.called:
            one = w.pick(lists)
            return Term(f"len(ctx.{one.name})", "int", Interval(one.count, one.count))
        return None if w.called else Term(self._text(w, w.pick(self.read)), "int", of_bits(32, signed=False))

    def store(self, w: Writer) -> bool:
        """`ctx.mark = 5`, `ctx.cb[1] += 2`."""
        if w.called:
            return False
        one = w.pick(self.written)
        text, how = self._text(w, one), "=" if w.chance(0.6) else w.pick(("+=", "^=", "|=", "&="))
        value = number(w, 2)
        w.line(f"{text} {how} {value.text if not value.modular else converted(value, PLAIN[2]).text}")
        return True
