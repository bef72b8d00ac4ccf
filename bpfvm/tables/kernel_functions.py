"""How calls of kernel functions (kfuncs) are checked, as Linux 6.18 does it: a row each.

Prototypes are those of the kernel's BTF, whose parameter names say how an argument is checked
(Documentation/bpf/kfuncs.rst: __sz, __szk, __k, __ign, __uninit, __alloc, __opt, __nullable, __str, __map and others).
Which programs may call one, which arguments have to be trusted and what sleeps was measured by loading calls. Functions
that run on the emulator besides are rows of `tables.kfuncs`; one without a row here is not known to the model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PARAMETER = re.compile(r"(?:const )?(.*?)\s*(\**)(\w+)")
_SUFFIX = re.compile(r"__(sz|szk|k|ign|uninit|alloc|opt|nullable|str|map|refcounted_kptr|irq_flag|prog)$")

_TRACING = "tracepoint perf_event tracing"
_CGROUP = "cgroup_skb cgroup_sock sock_ops cgroup_device cgroup_sock_addr cgroup_sysctl cgroup_sockopt"
_GENERIC = f"sched_cls xdp syscall struct_ops {_TRACING} {_CGROUP}"
_SKB = ("socket_filter sched_cls sched_act lwt_in lwt_out lwt_xmit lwt_seg6local sk_skb netfilter "
        f"{_TRACING} {_CGROUP}")  # fmt: skip
_CPUMASK = f"syscall struct_ops {_TRACING}"
_CT = "sched_cls xdp"


@dataclass(frozen=True, slots=True)
class Parameter:
    """type: without const and stars, "struct task_struct". stars: of a pointer. suffix: what its name says, or ""."""

    type: str
    stars: int
    name: str
    suffix: str

    @property
    def is_pointer(self) -> bool:
        return self.stars > 0

    @property
    def struct(self) -> str | None:
        """The structure that it points to."""
        found = self.type.partition("struct ")
        return found[2] if self.stars == 1 and found[1] and not found[0] else None


@dataclass(frozen=True, slots=True)
class KernelFunction:
    """One kernel function. result: without a name. flags: acquire, release, null (the result may be), trusted or rcu
    (what its pointers have to be), sleeps. types: program types that may call it, none for all."""

    name: str
    result: Parameter
    parameters: tuple[Parameter, ...]
    flags: frozenset[str]
    types: frozenset[str]

    def may_call(self, program_type: str, attach_type: str | None = None) -> bool:
        """Whether programs of a type, loaded for an attach type, may call it."""
        return not self.types or not self.types.isdisjoint({program_type, f"{program_type}:{attach_type}"})


def parameter(text: str) -> Parameter:
    """A parameter as C writes it."""
    found = _PARAMETER.fullmatch(text)
    assert found is not None, text
    suffix = _SUFFIX.search(found[3])
    return Parameter(found[1], len(found[2]), found[3], suffix[1] if suffix else "")


_ROWS: tuple[tuple[str, str], ...] = (
    ("",
     """
     bpf_preempt_disable: void()
     bpf_preempt_enable: void()
     bpf_rcu_read_lock: void()
     bpf_rcu_read_unlock: void()
     bpf_local_irq_save: void(unsigned long *flags__irq_flag)
     bpf_local_irq_restore: void(unsigned long *flags__irq_flag)
     bpf_dynptr_adjust: int(const struct bpf_dynptr *p, u32 start, u32 end)
     bpf_dynptr_clone: int(const struct bpf_dynptr *p, struct bpf_dynptr *clone__uninit)
     bpf_dynptr_copy: int(struct bpf_dynptr *dst_ptr, u32 dst_off, struct bpf_dynptr *src_ptr, u32 src_off, u32 size)
     bpf_dynptr_memset: int(struct bpf_dynptr *p, u32 offset, u32 size, u8 val)
     bpf_dynptr_is_null: bool(const struct bpf_dynptr *p)
     bpf_dynptr_is_rdonly: bool(const struct bpf_dynptr *p)
     bpf_dynptr_size: u32(const struct bpf_dynptr *p)
     bpf_dynptr_slice: void *(const struct bpf_dynptr *p, u32 offset, void *buffer__opt, u32 buffer__szk) | null
     bpf_dynptr_slice_rdwr: void *(const struct bpf_dynptr *p, u32 offset, void *buffer__opt, u32 buffer__szk) | null
     bpf_iter_num_new: int(struct bpf_iter_num *it, int start, int end)
     bpf_iter_num_next: int *(struct bpf_iter_num *it) | null
     bpf_iter_num_destroy: void(struct bpf_iter_num *it)
     bpf_iter_bits_new: int(struct bpf_iter_bits *it, const u64 *unsafe_ptr__ign, u32 nr_words)
     bpf_iter_bits_next: int *(struct bpf_iter_bits *it) | null
     bpf_iter_bits_destroy: void(struct bpf_iter_bits *it)
     bpf_rdonly_cast: void *(const void *obj__ign, u32 btf_id__k)
     bpf_cast_to_kern_ctx: void *(void *obj)
     bpf_map_sum_elem_count: s64(const struct bpf_map *map) | trusted
     bpf_get_kmem_cache: struct kmem_cache *(u64 addr) | null
     bpf_copy_from_user_str: int(void *dst, u32 dst__sz, const void *unsafe_ptr__ign, u64 flags) | sleeps
     bpf_strcmp: int(const char *s1__ign, const char *s2__ign)
     bpf_strcasecmp: int(const char *s1__ign, const char *s2__ign)
     bpf_strchr: int(const char *s__ign, char c)
     bpf_strchrnul: int(const char *s__ign, char c)
     bpf_strnchr: int(const char *s__ign, size_t count, char c)
     bpf_strrchr: int(const char *s__ign, int c)
     bpf_strlen: int(const char *s__ign)
     bpf_strnlen: int(const char *s__ign, size_t count)
     bpf_strspn: int(const char *s__ign, const char *accept__ign)
     bpf_strcspn: int(const char *s__ign, const char *reject__ign)
     bpf_strstr: int(const char *s1__ign, const char *s2__ign)
     bpf_strnstr: int(const char *s1__ign, const char *s2__ign, size_t len)
     bpf_xdp_metadata_rx_timestamp: int(const struct xdp_md *ctx, u64 *timestamp)
     bpf_xdp_metadata_rx_hash: int(const struct xdp_md *ctx, u32 *hash, enum xdp_rss_hash_type *rss_type)
     bpf_xdp_metadata_rx_vlan_tag: int(const struct xdp_md *ctx, be16 *vlan_proto, u16 *vlan_tci)
     """),
    (_GENERIC,
     """
     bpf_throw: void(u64 cookie)
     bpf_obj_new_impl: void *(u64 local_type_id__k, void *meta__ign) | acquire null
     bpf_obj_drop_impl: void(void *p__alloc, void *meta__ign) | release
     bpf_refcount_acquire_impl: void *(void *p__refcounted_kptr, void *meta__ign) | acquire null rcu
     bpf_list_push_front_impl: int(struct bpf_list_head *head, struct bpf_list_node *node, void *meta__ign, u64 off)
     bpf_list_push_back_impl: int(struct bpf_list_head *head, struct bpf_list_node *node, void *meta__ign, u64 off)
     bpf_list_pop_front: struct bpf_list_node *(struct bpf_list_head *head) | acquire null
     bpf_list_pop_back: struct bpf_list_node *(struct bpf_list_head *head) | acquire null
     bpf_list_front: struct bpf_list_node *(struct bpf_list_head *head) | null
     bpf_list_back: struct bpf_list_node *(struct bpf_list_head *head) | null
     bpf_rbtree_add_impl: int(struct bpf_rb_root *root, struct bpf_rb_node *node, function *less, \
         void *meta__ign, u64 off)
     bpf_rbtree_remove: struct bpf_rb_node *(struct bpf_rb_root *root, struct bpf_rb_node *node) | acquire null
     bpf_rbtree_first: struct bpf_rb_node *(struct bpf_rb_root *root) | null
     bpf_rbtree_root: struct bpf_rb_node *(struct bpf_rb_root *root) | null
     bpf_rbtree_left: struct bpf_rb_node *(struct bpf_rb_root *root, struct bpf_rb_node *node) | null
     bpf_rbtree_right: struct bpf_rb_node *(struct bpf_rb_root *root, struct bpf_rb_node *node) | null
     bpf_task_acquire: struct task_struct *(struct task_struct *p) | acquire null rcu
     bpf_task_release: void(struct task_struct *p) | release
     bpf_task_from_pid: struct task_struct *(s32 pid) | acquire null
     bpf_task_from_vpid: struct task_struct *(s32 vpid) | acquire null
     bpf_task_get_cgroup1: struct cgroup *(struct task_struct *task, int hierarchy_id) | acquire null rcu
     bpf_task_under_cgroup: long(struct task_struct *task, struct cgroup *ancestor) | rcu
     bpf_cgroup_acquire: struct cgroup *(struct cgroup *cgrp) | acquire null rcu
     bpf_cgroup_release: void(struct cgroup *cgrp) | release
     bpf_cgroup_ancestor: struct cgroup *(struct cgroup *cgrp, int level) | acquire null rcu
     bpf_cgroup_from_id: struct cgroup *(u64 cgid) | acquire null
     """),
    (_CPUMASK,
     """
     bpf_cpumask_create: struct bpf_cpumask *() | acquire null
     bpf_cpumask_acquire: struct bpf_cpumask *(struct bpf_cpumask *cpumask) | acquire trusted
     bpf_cpumask_release: void(struct bpf_cpumask *cpumask) | release
     bpf_cpumask_first: u32(const struct cpumask *cpumask) | rcu
     bpf_cpumask_first_zero: u32(const struct cpumask *cpumask) | rcu
     bpf_cpumask_first_and: u32(const struct cpumask *src1, const struct cpumask *src2) | rcu
     bpf_cpumask_set_cpu: void(u32 cpu, struct bpf_cpumask *cpumask) | rcu
     bpf_cpumask_clear_cpu: void(u32 cpu, struct bpf_cpumask *cpumask) | rcu
     bpf_cpumask_test_cpu: bool(u32 cpu, const struct cpumask *cpumask) | rcu
     bpf_cpumask_test_and_set_cpu: bool(u32 cpu, struct bpf_cpumask *cpumask) | rcu
     bpf_cpumask_test_and_clear_cpu: bool(u32 cpu, struct bpf_cpumask *cpumask) | rcu
     bpf_cpumask_setall: void(struct bpf_cpumask *cpumask) | rcu
     bpf_cpumask_clear: void(struct bpf_cpumask *cpumask) | rcu
     bpf_cpumask_and: bool(struct bpf_cpumask *dst, const struct cpumask *src1, const struct cpumask *src2) | rcu
     bpf_cpumask_or: void(struct bpf_cpumask *dst, const struct cpumask *src1, const struct cpumask *src2) | rcu
     bpf_cpumask_xor: void(struct bpf_cpumask *dst, const struct cpumask *src1, const struct cpumask *src2) | rcu
     bpf_cpumask_equal: bool(const struct cpumask *src1, const struct cpumask *src2) | rcu
     bpf_cpumask_intersects: bool(const struct cpumask *src1, const struct cpumask *src2) | rcu
     bpf_cpumask_subset: bool(const struct cpumask *src1, const struct cpumask *src2) | rcu
     bpf_cpumask_empty: bool(const struct cpumask *cpumask) | rcu
     bpf_cpumask_full: bool(const struct cpumask *cpumask) | rcu
     bpf_cpumask_copy: void(struct bpf_cpumask *dst, const struct cpumask *src) | rcu
     bpf_cpumask_any_distribute: u32(const struct cpumask *cpumask) | rcu
     bpf_cpumask_any_and_distribute: u32(const struct cpumask *src1, const struct cpumask *src2) | rcu
     bpf_cpumask_weight: u32(const struct cpumask *cpumask) | rcu
     """),
    (_SKB, "bpf_dynptr_from_skb: int(struct __sk_buff *s, u64 flags, struct bpf_dynptr *ptr__uninit) | trusted"),
    ("xdp",
     """
     bpf_dynptr_from_xdp: int(struct xdp_md *x, u64 flags, struct bpf_dynptr *ptr__uninit)
     bpf_xdp_pull_data: int(struct xdp_md *x, u32 len)
     """),
    (_CT,
     """
     bpf_skb_ct_lookup: struct nf_conn *(struct __sk_buff *skb_ctx, struct bpf_sock_tuple *bpf_tuple, \
         u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz) | acquire null
     bpf_skb_ct_alloc: struct nf_conn___init *(struct __sk_buff *skb_ctx, struct bpf_sock_tuple *bpf_tuple, \
         u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz) | acquire null
     bpf_xdp_ct_lookup: struct nf_conn *(struct xdp_md *xdp_ctx, struct bpf_sock_tuple *bpf_tuple, \
         u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz) | acquire null
     bpf_xdp_ct_alloc: struct nf_conn___init *(struct xdp_md *xdp_ctx, struct bpf_sock_tuple *bpf_tuple, \
         u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz) | acquire null
     bpf_ct_insert_entry: struct nf_conn *(struct nf_conn___init *nfct_i) | acquire null release
     bpf_ct_release: void(struct nf_conn *nfct) | release
     bpf_ct_set_timeout: void(struct nf_conn___init *nfct, u32 timeout) | trusted
     bpf_ct_change_timeout: int(struct nf_conn *nfct, u32 timeout) | trusted
     bpf_ct_set_status: int(const struct nf_conn___init *nfct, u32 status) | trusted
     bpf_ct_change_status: int(struct nf_conn *nfct, u32 status) | trusted
     """),
    ("sched_cls", "bpf_sk_assign_tcp_reqsk: int(struct __sk_buff *s, struct sock *sk, struct bpf_tcp_req_attrs *attrs, "
                  "int attrs__sz) | trusted"),
    ("tracing:trace_iter", "bpf_sock_destroy: int(struct sock_common *sock) | trusted"),
    ("struct_ops",
     """
     tcp_reno_ssthresh: u32(struct sock *sk)
     tcp_reno_undo_cwnd: u32(struct sock *sk)
     tcp_reno_cong_avoid: void(struct sock *sk, u32 ack, u32 acked)
     tcp_slow_start: u32(struct tcp_sock *tp, u32 acked)
     tcp_cong_avoid_ai: void(struct tcp_sock *tp, u32 w, u32 acked)
     cubictcp_init: void(struct sock *sk)
     cubictcp_cwnd_event: void(struct sock *sk, enum tcp_ca_event event)
     cubictcp_cong_avoid: void(struct sock *sk, u32 ack, u32 acked)
     cubictcp_recalc_ssthresh: u32(struct sock *sk)
     cubictcp_state: void(struct sock *sk, u8 new_state)
     cubictcp_acked: void(struct sock *sk, const struct ack_sample *sample)
     """),
)  # fmt: skip


def _row(line: str, types: str) -> KernelFunction:
    name, _, rest = " ".join(line.split()).partition(": ")
    prototype, _, flags = rest.partition(" | ")
    result, _, inner = prototype.removesuffix(")").partition("(")
    parameters = tuple(parameter(one.strip()) for one in inner.split(",")) if inner else ()
    return KernelFunction(
        name, parameter(f"{result} result".replace("* ", "*")), parameters, frozenset(flags.split()),
        frozenset(types.split()),
    )  # fmt: skip


BY_NAME: Mapping[str, KernelFunction] = {
    row.name: row for types, text in _ROWS for line in text.strip().splitlines() if (row := _row(line, types))
}
