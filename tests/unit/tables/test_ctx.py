"""The table of contexts: laws that all rows keep."""

from __future__ import annotations

from bpfvm.tables.ctx import CONTEXTS, REGISTERS, STRUCTURES, Context
from bpfvm.tables.places import covers, expand
from bpfvm.tables.progs import BY_NAME, PROGRAM_TYPES

ALL = (*CONTEXTS.values(), *STRUCTURES.values(), REGISTERS["aarch64"])


def test_fields_lie_inside_and_whole() -> None:
    fields = 0
    for layout in ALL:
        for one in layout.fields:
            assert 0 <= one.offset < one.end <= layout.size, (layout.name, one.name)
            assert one.offset % one.size == 0, (layout.name, one.name)
            fields += 1
    print(f"{len(ALL)} structures, {fields} fields")
    assert (len(ALL), fields > 230) == (17, True)


def test_readers_and_writers_are_programs_of_the_context() -> None:
    for layout in CONTEXTS.values():
        programs = set(layout.programs.split())
        assert programs <= set(BY_NAME), layout.name
        for one in layout.fields:
            readers, writers = (expand(words, layout.programs) for words in (one.readers, one.writers))
            assert readers, (layout.name, one.name)
            assert {place.split(":")[0] for place in readers | writers} <= programs, (layout.name, one.name)
            for place in readers | writers:
                name, _, where = place.partition(":")
                assert not where or where in {row.name for row in BY_NAME[name].attach_types}, place


def test_every_program_type_with_a_context_is_named_by_it() -> None:
    for row in PROGRAM_TYPES:
        if row.context is not None:
            assert row.name in CONTEXTS[row.context].programs.split()


def test_pointers_are_read_whole() -> None:
    for layout in ALL:
        for one in layout.fields:
            if one.pointer is not None:
                assert one.takes(one.offset, one.size, write=False)
                assert not one.takes(one.offset, 1, write=False)


def test_access() -> None:
    skb, xdp = CONTEXTS["__sk_buff"], CONTEXTS["xdp_md"]
    assert _name(skb, 8, 4, True, "sched_cls") == "mark"
    assert _name(skb, 8, 2, True, "sched_cls") is None
    assert _name(skb, 9, 1, False, "sched_cls") == "mark"
    assert _name(skb, 8, 4, True, "socket_filter") is None
    assert _name(skb, 76, 4, False, "socket_filter") is None
    assert _name(skb, 56, 8, True, "cgroup_skb") == "cb"
    assert _name(skb, 52, 8, False, "cgroup_skb") is None
    assert _name(xdp, 0, 4, False, "xdp") == "data"
    assert _name(xdp, 20, 4, False, "xdp", "xdp") is None
    assert _name(xdp, 20, 4, False, "xdp", "xdp_devmap") == "egress_ifindex"
    assert _name(xdp, 0, 8, False, "xdp") is None
    assert _name(xdp, 24, 4, False, "xdp") is None


def _name(layout: Context, offset: int, size: int, write: bool, type: str, place: str | None = None) -> str | None:
    found = layout.access(offset, size, write, type, place)
    return found.name if found is not None else None


def test_registers_by_role() -> None:
    x86, arm = REGISTERS["x86_64"], REGISTERS["aarch64"]
    assert [_offset(x86, name) for name in ("parm1", "di", "rdi", "rc", "sp", "pc")] == [112, 112, 112, 80, 152, 128]
    assert [_offset(arm, name) for name in ("parm1", "x0", "rc", "fp", "sp", "pc")] == [0, 0, 0, 232, 248, 256]
    assert CONTEXTS["pt_regs"] is x86
    assert x86.field("x0") is None


def _offset(layout: Context, name: str) -> int:
    found = layout.field(name)
    assert found is not None, name
    return found.offset


def test_words_of_places() -> None:
    assert expand("tc xdp", "") == {"sched_cls", "sched_act", "xdp"}
    assert expand("any -tc", "xdp sched_cls sched_act") == {"xdp"}
    assert expand("", "xdp") == frozenset()
    places = expand("xdp:xdp_devmap kprobe", "")
    assert covers(places, "kprobe", None)
    assert covers(places, "xdp", None)
    assert covers(places, "xdp", "xdp_devmap")
    assert not covers(places, "xdp", "xdp")
    assert not covers(places, "sched_cls", None)
