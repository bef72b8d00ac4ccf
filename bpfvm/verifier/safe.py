"""Members of the kernel's structures whose pointers are to be trusted as much as the object that they are loaded from,
by 6.18's BTF without type tags: (structure, member) -> "trusted_" or "rcu_", with "null" behind it where it may be."""

from __future__ import annotations

from collections.abc import Mapping

SAFE: Mapping[tuple[str, str], str] = {}
