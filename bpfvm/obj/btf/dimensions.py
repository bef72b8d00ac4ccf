"""Arrays of arrays as gcc before 14 writes them into BTF, put the right way round.

It takes the first dimension for the innermost one: `char names[2][8]` is written as 8 arrays of 2, whether a row has a
name or not. Seen in objects of gcc 12.2, and told in its bug 114186.
"""

from __future__ import annotations

from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Array


def put_right(btf: Btf) -> None:
    """Turn the dimensions of all arrays of arrays round. Ids stay; types that are new come behind them."""
    written = {number: one for number, one in enumerate(btf, 1) if isinstance(one, Array)}
    turned: dict[int, Array] = {}
    for number, outer in written.items():
        counts, inner = [outer.count], outer
        while inner.type in written and len(counts) <= len(written):
            inner = written[inner.type]
            counts.append(inner.count)
        element = inner.type
        for count in counts[:-1]:
            element = btf.add(Array(element, outer.index, count))
        if len(counts) > 1:
            turned[number] = Array(element, outer.index, counts[-1])
    for number, one in turned.items():
        btf.define(number, one)
