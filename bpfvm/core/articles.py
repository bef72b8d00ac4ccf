"""The article before a name, as messages say it."""

from __future__ import annotations

import re

_FIRST = re.compile(r"[A-Z]+(?![a-z])|[A-Za-z][a-z]*|\d+")  # `sk` of sk_msg, `Lpm` of LpmTrie, `XDP`, `s` of s64
_SPELLED = re.compile(r"[fhlmnrsx][^aeiouy]*")  # no vowel: by its letters, and this one's name begins with a vowel
_LIKE_YOU = re.compile(r"u$|uint|uni|us|uid|ut|u(ret)?probe|udp|uring|umh")
_OTHERS = {"lru": "an", "rcu": "an", "fentry": "an", "fexit": "an", "fmod": "an", "freplace": "an", "xsk": "an",
           "xskmap": "an", "one": "a", "once": "a", "str": "a"}  # fmt: skip


def an(name: str) -> str:
    """`name` behind `a` or `an`, by its sound: an xdp, a tc, an sk_msg, a u64, an s64."""
    found = _FIRST.search(name)
    first = found[0].lower() if found is not None else ""
    is_vowel = first[:1] in ("a", "e", "i", "o", "8") or (first[:1] == "u" and _LIKE_YOU.match(first) is None)
    article = "an" if is_vowel or _SPELLED.fullmatch(first) else "a"
    return f"{_OTHERS.get(first, article)} {name}"
