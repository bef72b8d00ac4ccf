/* What processes of a cgroup may reach: networks of a trie, ports of an array, and everything that is no IP is refused. */
#include "headers.h"

struct network {
	__u32 bits;
	__be32 address;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32);
	__type(key, struct network);
	__type(value, __u32);
} reachable SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

SEC("cgroup_skb/egress")
int egress_list(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv4 *ip = HEADER(ipv4, data, end);
	struct network key = {.bits = 32};
	__u32 verdict = 0, *found;
	__u64 *count;

	if (ip && skb->protocol == bpf_htons(ETH_IP)) {
		key.address = ip->to;
		found = bpf_map_lookup_elem(&reachable, &key);
		verdict = found && (!*found || *found == ip->protocol);
	}
	count = bpf_map_lookup_elem(&packets, &verdict);
	if (count)
		++*count;
	if (!verdict) {
		skb->mark = 0;
		return 0;
	}
	skb->mark += skb->len;
	return 1;
}

char _license[] SEC("license") = "Dual MIT/GPL";
