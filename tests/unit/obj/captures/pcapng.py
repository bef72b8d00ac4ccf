"""pcapng files made block by block, in either byte order."""

from __future__ import annotations

import struct


class Maker:
    """Blocks by hand, in either byte order."""

    def __init__(self, order: str = "<") -> None:
        self.order, self.data = order, b""

    def block(self, kind: int, body: bytes) -> Maker:
        body += bytes(-len(body) % 4)
        size = struct.pack(self.order + "I", 12 + len(body))
        self.data += struct.pack(self.order + "I", kind) + size + body + size
        return self

    def section(self) -> Maker:
        return self.block(0x0A0D0D0A, struct.pack(self.order + "IHHq", 0x1A2B3C4D, 1, 0, -1))

    def interface(self, link: int = 1, snap: int = 0, **options: bytes) -> Maker:
        codes = {"resolution": 9, "offset": 14, "name": 2}
        body = struct.pack(self.order + "HHI", link, 0, snap)
        for name, value in options.items():
            body += struct.pack(self.order + "HH", codes[name], len(value)) + value + bytes(-len(value) % 4)
        return self.block(1, body + (bytes(4) if options else b""))

    def packet(self, units: int, data: bytes, interface: int = 0, length: int | None = None) -> Maker:
        size = len(data) if length is None else length
        head = struct.pack(self.order + "IIIII", interface, units >> 32, units & 0xFFFF_FFFF, len(data), size)
        return self.block(6, head + data)
