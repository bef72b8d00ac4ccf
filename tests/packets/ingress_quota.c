/* A quota of bytes for a cgroup, kept in its own storage, shared by its programs, with a per-CPU one beside it. */
#include "headers.h"

#define QUOTA 600

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, __u64);
} spent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} shown SEC(".maps");

__u64 all;

SEC("cgroup_skb/ingress")
int ingress_quota(struct __sk_buff *skb)
{
	__u64 *bytes = bpf_get_local_storage(&spent, 0), *copy;
	__u32 slot;

	__sync_fetch_and_add(bytes, skb->len);
	all += skb->len;
	slot = skb->len > 100;
	copy = bpf_map_lookup_elem(&shown, &slot);
	if (copy)
		*copy = *bytes;
	return *bytes < QUOTA || all % 3;
}

char _license[] SEC("license") = "Dual MIT/GPL";
