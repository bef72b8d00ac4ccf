"""Maps of sockets: `socks.redirect(k)` of sk_skb and sk_msg programs, `socks.select(k)` of sk_reuseport programs."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend.maps import elements, keys, mapped
from bpfvm.compiler.frontend.maps.mapped import Nodes, Values
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import BAD, MapValue, Number, Static, Value
from bpfvm.lang.maps import Sockets, SockMap
from bpfvm.lang.maps.sockets import INGRESS, VERBS
from bpfvm.lang.maps.targets import LARGEST_ERROR
from bpfvm.lang.types.interval import Interval

_VERDICT = Interval(0, 1)  # SK_DROP, SK_PASS


def redirect(f: Translation, owner: MapValue, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`socks.redirect(k, ingress=True)`."""
    verb = VERBS.get(f.hook.type)
    if verb is None:
        return _elsewhere(f, node, "sk_skb and sk_msg programs")
    assert isinstance(owner.declared, Sockets), "its row says so"
    given = f.state.known(values[1]).constant if len(values) > 1 and isinstance(values[1], Number) else 0
    if given not in (0, 1) or (len(values) > 1 and isinstance(values[1], Static | MapValue)):
        return f.error("E022", f"`{f.quoted(nodes[1])}` is True or False, known at compile time", nodes[1],
                       help=f"{owner.name}.redirect(k, ingress=True)")  # fmt: skip
    find = _word if isinstance(owner.declared, SockMap) else _place
    word = find(f, owner, values, nodes)
    if word is None:
        return BAD
    f.stored("")
    flags = f.number(INGRESS if given else 0)
    declared = elements.declare(f, owner, node)
    helper = f"{verb}_{owner.declared.redirects}"
    return mapped.result(f, f.builder.helper(helper, f.builder.ctx(), declared, word, flags), _VERDICT)


def select(f: Translation, owner: MapValue, node: ast.Call, values: Values, nodes: Nodes) -> Value:
    """`socks.select(k)`."""
    if f.hook.type != "sk_reuseport":
        return _elsewhere(f, node, "sk_reuseport programs")
    place = _place(f, owner, values, nodes)
    if place is None:
        return BAD
    f.stored("")
    declared = elements.declare(f, owner, node)
    found = f.builder.helper("sk_select_reuseport", f.builder.ctx(), declared, place, f.number(0))
    return mapped.result(f, found, Interval(-LARGEST_ERROR, 0))


def _word(f: Translation, owner: MapValue, values: Values, nodes: Nodes) -> Register | None:
    """An index. None after an error."""
    return mapped.number(f, values[0], nodes[0], "the index of a socket", mapped.INDEX)


def _place(f: Translation, owner: MapValue, values: Values, nodes: Nodes) -> Register | None:
    """Where a key lies. None after an error."""
    found = keys.key(f, owner, values[0], nodes[0])
    return keys.address(f, owner, found, nodes[0]) if found is not None else None


def _elsewhere(f: Translation, node: ast.Call, whose: str) -> Value:
    return f.error("E011", f"`{f.quoted(node.func)}` is for {whose}, and this is one of type {f.hook.type}", node,
                   help="see docs/maps.md")  # fmt: skip
