"""`a` or `an` before names, by their sound."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from bpfvm.core.articles import an

ROOT = Path(__file__).parents[3]
MAYBE = re.compile(r"""\b[Aa]n? ?(\{|`|["']|\\)""")  # what a file with such a message has, and others
FOLDERS = ("bpfvm", "compiler", "emulator")
AN = """xdp lsm lsm_cgroup sk_msg sk_skb sk_lookup lwt_in fentry fexit fmod_ret iter array lru_hash lpm_trie xskmap
inode_storage sk_storage int s64 enum LpmTrie Array SkStorage XskMap Event IPv4Address unsigned MPLS lru""".split()  # noqa: SIM905
A = """tc socket sock_ops struct_ops syscall kprobe uprobe uretprobe usdt lirc_mode2 netfilter flow_dissector hash
user_ringbuf u64 u8 be32 bool UserPtr UserRing union stack_trace NoneType str list float64 SockMap
Histogram User""".split()  # noqa: SIM905


def test_names_by_their_sound() -> None:
    assert [an(name) for name in AN] == [f"an {name}" for name in AN]
    assert [an(name) for name in A] == [f"a {name}" for name in A]


def _written(text: str) -> list[str]:
    """Messages that have an article of their own before what is put in."""
    found = []
    for node in ast.walk(ast.parse(text)) if MAYBE.search(text) else ():
        pairs = zip(node.values, node.values[1:], strict=False) if isinstance(node, ast.JoinedStr) else ()
        for before, put in pairs:
            words = str(before.value) if isinstance(before, ast.Constant) else ""
            if isinstance(put, ast.FormattedValue) and re.search(r"\b[Aa]n? `?$", words):
                found.append(f"{put.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("text", ['f"is a {b}"', 'f"An `{b}`"', '("not a " f"{b}")', r'f"a \x60{b}"', 'f"a\\x20{b}"'])
def test_an_article_of_their_own_is_found(text: str) -> None:
    assert _written(text)
    assert not _written('f"is {an(b)}, as {a}"')


def test_messages_leave_the_choice_to_it() -> None:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(paths) >= 500
    assert not [f"{path}:{line}" for path in paths for line in _written(path.read_text())]
