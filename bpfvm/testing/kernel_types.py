"""A few of the kernel's own types, as far as they are the same in every build of Linux 6.18: what data files of
verdicts use of tracepoints, iterators and tables of functions."""

from __future__ import annotations

import functools

from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import STATIC, Member, Struct, Union

_NUMBERS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}

# Name, size, members; a name with "|" in front is of a union without one
_STRUCTURES = """
pt_regs 168 r15@0:u64
task_struct 4096 flags@0:u64
|meta_seq 8 seq@0:*seq_file
bpf_iter_meta 24 @0:|meta_seq session_id@8:u64 seq_num@16:u64
seq_file 112 buf@0:*void size@8:u64
|next_list 8 next@0:*sk_buff
sk_buff 232 @0:|next_list sk@24:*sock
sock_common 136 skc_daddr@0:u32 skc_rcv_saddr@4:u32 skc_family@16:u16
sock 760 __sk_common@0:sock_common
inet_sock 976 sk@0:sock
inet_connection_sock 1392 icsk_inet@0:inet_sock
tcp_sock 2304 inet_conn@0:inet_connection_sock
udp_sock 1344 inet@0:inet_sock
vm_area_struct 256 vm_start@0:u64
bpf_map 256 ops@0:*bpf_map_ops
bpf_map_ops 360 map_alloc_check@0:*function
"""
_TRACEPOINTS = """
sys_enter *pt_regs u64
sched_pi_setprio *task_struct *task_struct
netif_rx *sk_buff
kfree_skb *sk_buff *void u32 *sock
initcall_start *function
"""
_ITERATORS = """
task *bpf_iter_meta *task_struct
udp *bpf_iter_meta *udp_sock u32 u32
bpf_map_elem *bpf_iter_meta *bpf_map *void *void
"""
_MEMBERS = """
ssthresh u32 *sock
init void *sock
set_state void *sock u8
"""


@functools.cache
def kernel_types() -> Btf:
    """The types."""
    btf, known = Btf(), dict[str, int]()
    lines = [line.split() for line in _STRUCTURES.split("\n") if line]
    for name, *_ in lines:
        known[name] = btf.reserve(name)
    known["function"] = btf.add_func_proto(btf.add_int("int", 4, is_signed=True))
    for name, size, *members in lines:
        found = tuple(_member(btf, known, text) for text in members)
        btf.define(known[name], Union("", int(size), found) if name[0] == "|" else Struct(name, int(size), found))
    for name, *arguments in _lines(_TRACEPOINTS):
        params = [("__data", btf.add_ptr(0)), *_arguments(btf, known, arguments)]
        btf.add_typedef(f"btf_trace_{name}", btf.add_ptr(btf.add_func_proto(0, params)))
    for name, *arguments in _lines(_ITERATORS):
        proto = btf.add_func_proto(_type(btf, known, "u32"), _arguments(btf, known, arguments))
        btf.add_func(f"bpf_iter_{name}", proto, STATIC)
    table = list[Member]()
    for at, (name, result, *arguments) in enumerate(_lines(_MEMBERS)):
        proto = btf.add_func_proto(_type(btf, known, result), _arguments(btf, known, arguments))
        table.append(Member(name, btf.add_ptr(proto), 64 * at))
    btf.add_struct("tcp_congestion_ops", 8 * len(table), table)
    return btf


def _lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.split("\n") if line]


def _arguments(btf: Btf, known: dict[str, int], words: list[str]) -> list[tuple[str, int]]:
    return [(f"a{at}", _type(btf, known, word)) for at, word in enumerate(words)]


def _type(btf: Btf, known: dict[str, int], word: str) -> int:
    if word.startswith("*"):
        return btf.add_ptr(_type(btf, known, word[1:]))
    if word == "void":
        return 0
    return known[word] if word in known else btf.add_int(word, _NUMBERS[word])


def _member(btf: Btf, known: dict[str, int], text: str) -> Member:
    name, _, rest = text.partition("@")
    offset, _, word = rest.partition(":")
    return Member(name, _type(btf, known, word), 8 * int(offset))
