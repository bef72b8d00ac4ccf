"""How maps are spelled here that the kernel, or another tool, has by a name of its own."""

from __future__ import annotations

from collections.abc import Mapping

# The kernel's names of map types, and those of tools for C, without what joins their words
_SPELLINGS: Mapping[str, str] = {
    "lruhash": "Hash(…, lru=True)",
    "percpuhash": "Hash(…, percpu=True)",
    "lrupercpuhash": "Hash(…, lru=True, percpu=True)",
    "percpuarray": "Array(…, percpu=True)",
    "hashmap": "Hash",
    "table": "Hash",
    "hashofmaps": "HashOf",
    "arrayofmaps": "ArrayOf",
    "ringbuf": "Ring",
    "ringbuffer": "Ring",
    "perfeventarray": "PerfEvents",
    "perfoutput": "PerfEvents",
    "bloomfilter": "Bloom",
    "cgrpstorage": "CgroupStorage",
}


def spelling(name: str) -> str:
    """What to write in place of `LruHash`, `BPF_HASH_OF_MAPS` or `PerCpuArray`; "" for what means nothing."""
    plain = name.lower().replace("_", "").removeprefix("bpf").removeprefix("maptype")
    found = _SPELLINGS.get(plain, "")
    return f"write {found}" if found else ""
