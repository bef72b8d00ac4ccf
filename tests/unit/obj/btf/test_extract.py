"""A part of BTF: what is named is there as in the whole, with what lies inside; what it points to has a name only."""

from __future__ import annotations

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.extract import extract
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Enum, Func, Fwd, Struct, Union
from tests import kernel_btf


def test_a_struct_with_what_lies_inside() -> None:
    whole = kernel_btf.types()
    part = extract(whole, {"struct": ["sock"], "function": ["tcp_v4_connect"], "enumerator": ["TCP_SYN_SENT"]})
    assert len(part) < len(whole)
    assert part.find(Struct, "task_struct") is None
    assert part.find(Fwd, "sockaddr") is not None
    assert part.find(Func, "tcp_v4_connect") is not None
    assert part.find(Struct, "in6_addr") is not None  # inside of what is inside
    assert any(isinstance(one, Enum) for one in part)
    for name in ("sock", "sock_common"):
        assert _told(part, name) == _told(whole, name)


def test_what_is_only_pointed_to_has_a_name() -> None:
    part = extract(kernel_btf.types(), {"struct": ["request"]})
    assert part.find(Struct, "request_queue") is None
    assert part.find(Fwd, "request_queue") is not None
    both = extract(kernel_btf.types(), {"struct": ["request", "request_queue"]})
    assert both.find(Fwd, "request_queue") is None
    assert _told(both, "request_queue")[1][0][1] == "struct gendisk *"


@pytest.mark.parametrize(("kind", "name"), [("struct", "none"), ("enum", "task_struct"), ("enumerator", "NONE")])
def test_what_is_not_there(kind: str, name: str) -> None:
    with pytest.raises(LoadError, match=f"the BTF has no {kind} '{name}'"):
        extract(kernel_btf.types(), {kind: [name]})


def _told(types: Btf, name: str) -> tuple[int, list[tuple[str, str, int, int]]]:
    number = types.find(Struct, name)
    assert number is not None
    one = types[number]
    assert isinstance(one, Struct | Union)
    return one.size, [(m.name, types.name_of(m.type), m.offset, m.bits) for m in one.members]
