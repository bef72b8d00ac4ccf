"""Longest prefix matching, and the keys of networks."""

from __future__ import annotations

from typing import Annotated, Any

from bpfvm.core.errors import UsageError
from bpfvm.lang.maps.base import Contents
from bpfvm.lang.maps.keyed import MOST, Hashed
from bpfvm.lang.types.layout import View, size_of
from bpfvm.lang.types.scalars import be32, u8, u32
from bpfvm.lang.types.structs import StructType, struct
from bpfvm.obj.values.networks import Network
from bpfvm.obj.values.shapes import Raw
from bpfvm.tables.maps import FLAGS

_LENGTH = 4  # bytes of the prefix length at a key's start (struct bpf_lpm_trie_key)


@struct
class ip4prefix:
    """A network of IPv4, the key of an LpmTrie. length: bits of the prefix. address: in host order, as `pkt` has it."""

    length: Annotated[int, u32] = 32
    address: Annotated[int, be32] = 0


@struct
class ip6prefix:
    """A network of IPv6, the key of an LpmTrie. length: bits of the prefix."""

    length: Annotated[int, u32] = 128
    address: Annotated[bytes, u8[16]] = b""


class LpmTrie(Hashed):
    """BPF_MAP_TYPE_LPM_TRIE: `m[k]` is what stands under the longest prefix that k begins with.

    A key is a struct whose first field is a u32, the number of bits of the prefix: ip4prefix, ip6prefix or another. In
    user space, and in `contents`, also a network or an address of `ipaddress`, or its text: "10.0.0.0/8".
    """

    type = "lpm_trie"
    flags = FLAGS["no_prealloc"]

    def __init__(
        self, key: Any, value: Any, max_entries: int = MOST, name: str | None = None, *,
        contents: Contents | None = None,
    ) -> None:  # fmt: skip
        super().__init__(key, value, max_entries, name, contents)
        first = next(iter(self.key.__members__.values())) if isinstance(self.key, StructType) else None
        if first is None or first.type is not u32 or not _LENGTH < size_of(self.key) <= _LENGTH + 256:
            raise UsageError("LpmTrie: a key is a struct that begins with a u32, the length of the prefix: ip4prefix")

    def _key(self, key: Any) -> bytes:
        if isinstance(key, View):
            return super()._key(key)
        plain = Network(Raw(size_of(self.key)), "little").plain(key, f"a key of {self.called}")
        return plain if isinstance(plain, bytes) else super()._key(plain)
