"""Kernel functions that programs call by name (kfuncs), those that the emulator has: a row each.

Names, parameters and the programs that may call one are those of Linux 6.18's BTF and of what it loads; unlike helpers
they are no promise of the kernel's, and may change with a version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bpfvm.tables.helpers.row import Arg

_SKB = ("socket_filter sched_cls sched_act cgroup_skb lwt_in lwt_out lwt_xmit lwt_seg6local sk_skb netfilter "
        "tracing")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kfunc:
    """One kernel function.

    prototype: result and parameters in C, as a helper's. args, sizes, packet: as a helper's. since: the kernel that
    brought it. types: the program types that may call it, separated by blanks; "" for all. sleeps: only
    programs that may sleep do.
    """

    name: str
    prototype: str
    args: tuple[Arg, ...]
    since: str
    doc: str
    types: str = ""
    sizes: tuple[int, ...] = ()
    packet: bool = False
    sleeps: bool = False

    @property
    def called(self) -> str:
        """What messages call it."""
        return f"kernel function {self.name}"

    @property
    def declaration(self) -> str:
        """The C declaration."""
        result, _, params = self.prototype.partition("(")
        return f"{result}{'' if result.endswith('*') else ' '}{self.name}({params}"

    def args_in(self, program_type: str) -> tuple[Arg, ...]:
        """Kinds of arguments in programs of one type: the same in all."""
        return self.args

    def may_call(self, program_type: str) -> bool:
        """Whether programs of a type may call it."""
        return not self.types or program_type in self.types.split()


_ANY2, _ANY3 = (Arg.ANY, Arg.ANY), (Arg.ANY, Arg.ANY, Arg.ANY)
_SLICE = (Arg.DYNPTR, Arg.ANY, Arg.INOUT_OR_NULL, Arg.SIZE)

KFUNCS: tuple[Kfunc, ...] = (
    # Loops with a body in place: bpf_for and bpf_repeat of bpf_helpers.h, numbers and set bits
    Kfunc("bpf_iter_num_new", "int(struct bpf_iter_num *it, int start, int end)", (Arg.ITER_OUT, Arg.ANY, Arg.ANY),
          "6.4", "Begin to count from start up to end, without it. -EINVAL where end lies before start, -E2BIG past "
          "2**23 numbers; there are none then."),
    Kfunc("bpf_iter_num_next", "int *(struct bpf_iter_num *it)", (Arg.ITER,), "6.4",
          "Pointer to the next number, or null."),
    Kfunc("bpf_iter_num_destroy", "void(struct bpf_iter_num *it)", (Arg.ITER_GIVEN,), "6.4", "End it."),
    Kfunc("bpf_iter_bits_new", "int(struct bpf_iter_bits *it, const u64 *unsafe_ptr__ign, u32 nr_words)",
          (Arg.ITER_OUT, Arg.ANY, Arg.ANY), "6.11",
          "Begin to go through the set bits of words anywhere. -EINVAL for none, -E2BIG for more than 511, -EFAULT."),
    Kfunc("bpf_iter_bits_next", "int *(struct bpf_iter_bits *it)", (Arg.ITER,), "6.11",
          "Pointer to the next bit's number, or null."),
    Kfunc("bpf_iter_bits_destroy", "void(struct bpf_iter_bits *it)", (Arg.ITER_GIVEN,), "6.11", "End it."),
    # Dynptrs
    Kfunc("bpf_dynptr_from_skb", "int(struct __sk_buff *s, u64 flags, struct bpf_dynptr *ptr__uninit)",
          (Arg.CTX, Arg.ANY, Arg.DYNPTR_OUT), "6.4", "A dynptr to the packet; to nothing and -EINVAL for any flag.",
          _SKB),
    Kfunc("bpf_dynptr_from_xdp", "int(struct xdp_md *x, u64 flags, struct bpf_dynptr *ptr__uninit)",
          (Arg.CTX, Arg.ANY, Arg.DYNPTR_OUT), "6.4", "A dynptr to the packet; to nothing and -EINVAL for any flag.",
          "xdp"),
    Kfunc("bpf_dynptr_slice", "void *(const struct bpf_dynptr *p, u32 offset, void *buffer__opt, u32 buffer__szk)",
          _SLICE, "6.4", "Pointer to so many bytes that are read: in place, or where they do not lie in one piece, "
          "copied to the buffer. Null past the end."),
    Kfunc("bpf_dynptr_slice_rdwr", "void *(const struct bpf_dynptr *p, u32 offset, void *buffer__opt, "
          "u32 buffer__szk)", _SLICE, "6.4",
          "The same of bytes that may be written; what is written to a copy is not written to the packet. Null for a "
          "dynptr that is only read.", "xdp sched_cls sched_act lwt_xmit sk_skb sk_msg"),
    Kfunc("bpf_dynptr_adjust", "int(const struct bpf_dynptr *p, u32 start, u32 end)", (Arg.DYNPTR, *_ANY2), "6.5",
          "Make it one to its bytes from start to end. 0, -EINVAL, or -ERANGE past its end."),
    Kfunc("bpf_dynptr_is_null", "bool(const struct bpf_dynptr *p)", (Arg.DYNPTR,), "6.5", "Whether it is to nothing."),
    Kfunc("bpf_dynptr_is_rdonly", "bool(const struct bpf_dynptr *p)", (Arg.DYNPTR,), "6.5",
          "Whether what it points to may only be read."),
    Kfunc("bpf_dynptr_size", "u32(const struct bpf_dynptr *p)", (Arg.DYNPTR,), "6.5",
          "Its size in bytes; -EINVAL as 32 bits for one to nothing."),
    Kfunc("bpf_dynptr_clone", "int(const struct bpf_dynptr *p, struct bpf_dynptr *clone__uninit)",
          (Arg.DYNPTR, Arg.DYNPTR_OUT), "6.5", "Another one to the same. 0, or -EINVAL and one to nothing."),
    Kfunc("bpf_dynptr_copy", "int(struct bpf_dynptr *dst_ptr, u32 dst_off, struct bpf_dynptr *src_ptr, u32 src_off, "
          "u32 size)", (Arg.DYNPTR, Arg.ANY, Arg.DYNPTR, Arg.ANY, Arg.ANY), "6.16",
          "Copy bytes from one to another. 0, -E2BIG past an end, -EINVAL."),
    Kfunc("bpf_dynptr_memset", "int(struct bpf_dynptr *p, u32 offset, u32 size, u8 val)", (Arg.DYNPTR, *_ANY3), "6.17",
          "Make so many bytes val. 0, -E2BIG past the end, -EINVAL where it may only be read."),
    # Texts anywhere in the kernel's memory: -ERANGE for an address that is none of it, -EFAULT, -E2BIG past 64 KiB
    Kfunc("bpf_strcmp", "int(const char *s1__ign, const char *s2__ign)", _ANY2, "6.17", "-1, 0 or 1."),
    Kfunc("bpf_strcasecmp", "int(const char *s1__ign, const char *s2__ign)", _ANY2, "6.18",
          "-1, 0 or 1, upper and lower case being one."),
    Kfunc("bpf_strchr", "int(const char *s__ign, char c)", _ANY2, "6.17", "The first place of c, or -ENOENT."),
    Kfunc("bpf_strnchr", "int(const char *s__ign, size_t count, char c)", _ANY3, "6.17",
          "The same within count bytes."),
    Kfunc("bpf_strchrnul", "int(const char *s__ign, char c)", _ANY2, "6.17", "The first place of c, or of the end."),
    Kfunc("bpf_strrchr", "int(const char *s__ign, int c)", _ANY2, "6.17", "The last place of c, or -ENOENT."),
    Kfunc("bpf_strlen", "int(const char *s__ign)", (Arg.ANY,), "6.17", "The length."),
    Kfunc("bpf_strnlen", "int(const char *s__ign, size_t count)", _ANY2, "6.17", "The length, at most count."),
    Kfunc("bpf_strspn", "int(const char *s__ign, const char *accept__ign)", _ANY2, "6.17",
          "How many bytes at the start are among those of accept."),
    Kfunc("bpf_strcspn", "int(const char *s__ign, const char *reject__ign)", _ANY2, "6.17",
          "How many bytes at the start are not among those of reject."),
    Kfunc("bpf_strstr", "int(const char *s1__ign, const char *s2__ign)", _ANY2, "6.17",
          "The first place of s2 in s1, or -ENOENT."),
    Kfunc("bpf_strnstr", "int(const char *s1__ign, const char *s2__ign, size_t len)", _ANY3, "6.17",
          "The same within len bytes of s1."),
    # What there is no more of than its order, where one program runs at a time
    Kfunc("bpf_rcu_read_lock", "void()", (), "6.2", "Begin a section that keeps kernel objects alive."),
    Kfunc("bpf_rcu_read_unlock", "void()", (), "6.2", "End it."),
    Kfunc("bpf_preempt_disable", "void()", (), "6.10", "Begin a section that stays on its CPU."),
    Kfunc("bpf_preempt_enable", "void()", (), "6.10", "End it."),
    Kfunc("bpf_local_irq_save", "void(unsigned long *flags__irq_flag)", (Arg.FIXED_OUT,), "6.14",
          "Begin a section without interrupts.", sizes=(8,)),
    Kfunc("bpf_local_irq_restore", "void(unsigned long *flags__irq_flag)", (Arg.FIXED,), "6.14", "End it.",
          sizes=(8,)),
    # The rest
    Kfunc("bpf_rdonly_cast", "void *(const void *obj__ign, u32 btf_id__k)", _ANY2, "6.2",
          "The same pointer, typed otherwise."),
    Kfunc("bpf_map_sum_elem_count", "s64(const struct bpf_map *map)", (Arg.MAP,), "6.6",
          "How many elements a hash map has; 0 of other types."),
    Kfunc("bpf_xdp_metadata_rx_timestamp", "int(const struct xdp_md *ctx, u64 *timestamp)",
          (Arg.CTX, Arg.FIXED_OUT), "6.3", "-EOPNOTSUPP: no device brought the packet.", "xdp", sizes=(8,)),
    Kfunc("bpf_xdp_metadata_rx_hash", "int(const struct xdp_md *ctx, u32 *hash, enum xdp_rss_hash_type *rss_type)",
          (Arg.CTX, Arg.FIXED_OUT, Arg.FIXED_OUT), "6.3", "-EOPNOTSUPP.", "xdp", sizes=(4, 4)),
    Kfunc("bpf_xdp_metadata_rx_vlan_tag", "int(const struct xdp_md *ctx, __be16 *vlan_proto, u16 *vlan_tci)",
          (Arg.CTX, Arg.FIXED_OUT, Arg.FIXED_OUT), "6.8", "-EOPNOTSUPP.", "xdp", sizes=(2, 2)),
)  # fmt: skip

BY_NAME: Mapping[str, Kfunc] = {row.name: row for row in KFUNCS}
