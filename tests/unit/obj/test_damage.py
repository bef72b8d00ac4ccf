"""No damage to an object or a capture ends in anything but a result or one clear line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from bpfvm.core.errors import LoadError
from bpfvm.obj.btf import Btf
from bpfvm.obj.elf_read import parse_object
from bpfvm.obj.elf_write import write_object
from bpfvm.obj.model import ObjectSpec
from bpfvm.obj.pcap import Capture, encode_capture
from bpfvm.obj.values import shape_of
from tests.unit.obj.damage import damaged

OBJECTS = Path(__file__).resolve().parents[2] / "objects"
COUNT = 2000
LARGEST_SHOWN = 1 << 16


def use(spec: ObjectSpec) -> None:
    """What a user does with an object that could be read: look at map contents, write it."""
    btf = spec.btf or Btf()
    for one in spec.maps.values():
        for kind, size in ((one.key_type, one.key_size), (one.value_type, one.value_size)):
            if size <= LARGEST_SHOWN:
                shape = shape_of(btf, kind, size, spec.endian)
                assert shape.parse(shape.show(bytes(size)), one.name) == bytes(size)
    for number in range(1, len(btf) + 1):
        btf.name_of(number)
    write_object(spec)


def test_a_damaged_object_is_a_result_or_one_line() -> None:
    files = [path.read_bytes() for path in sorted(OBJECTS.glob("*.o"))]
    assert len(files) >= 9
    outcomes: Counter[str] = Counter()
    messages: list[str] = []
    for data in damaged(files, COUNT, seed=1):
        try:
            use(parse_object(data, "damaged.o"))
            outcomes["read"] += 1
        except LoadError as error:
            outcomes["refused"] += 1
            messages.append(str(error))
    assert [text for text in messages if not text.isprintable()] == []
    reasons = {text[:30] for text in messages}
    print(f"{outcomes.total()} damaged objects: {dict(outcomes)}, {len(reasons)} kinds of message")
    assert outcomes.total() == COUNT
    assert outcomes["refused"] >= COUNT // 4
    assert len(reasons) >= 50


def test_a_damaged_capture_gives_what_is_readable() -> None:
    packets = [(number * 10**9, bytes([number]) * (14 + number * 7)) for number in range(12)]
    files = [
        b"".join(encode_capture(packets, nanoseconds=nanoseconds, endian=endian))
        for nanoseconds in (True, False)
        for endian in ("little", "big")
    ]
    outcomes: Counter[str] = Counter()
    messages: list[str] = []
    for data in damaged(files, COUNT, seed=2):
        try:
            capture = Capture(data, "damaged.pcap")
        except LoadError as error:
            outcomes["refused"] += 1
            messages.append(str(error))
            continue
        read = sum(16 + len(packet) for _, packet, _ in capture)
        assert read + 24 <= len(data)
        assert (capture.lost is None) == (read + 24 == len(data))
        outcomes["whole" if capture.lost is None else "lost some"] += 1
        capture.close()
    assert [text for text in messages if not text.isprintable()] == []
    print(f"{outcomes.total()} damaged captures: {dict(outcomes)}")
    assert outcomes.total() == COUNT
    assert min(outcomes["whole"], outcomes["lost some"]) >= COUNT // 10
    assert outcomes["refused"] >= COUNT // 40
