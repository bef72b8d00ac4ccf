/* An access list by source network, for IPv4 and IPv6: the longest prefix decides. What every edge filter begins with. */
#include "headers.h"

struct key4 {
	__u32 bits;
	__be32 address;
};

struct key6 {
	__u32 bits;
	__u8 address[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 64);
	__type(key, struct key4);
	__type(value, __u32);
} networks4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 64);
	__type(key, struct key6);
	__type(value, __u32);
} networks6 SEC(".maps");

SEC("xdp")
int acl_trie(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	__u32 *verdict = 0;

	if (!eth)
		return XDP_DROP;
	if (eth->type == bpf_htons(ETH_IP)) {
		struct ipv4 *ip = HEADER(ipv4, eth + 1, end);
		struct key4 key = {.bits = 32};

		if (!ip)
			return XDP_DROP;
		key.address = ip->from;
		verdict = bpf_map_lookup_elem(&networks4, &key);
	} else if (eth->type == bpf_htons(ETH_IP6)) {
		struct ipv6 *ip = HEADER(ipv6, eth + 1, end);
		struct key6 key = {.bits = 128};

		if (!ip)
			return XDP_DROP;
		__builtin_memcpy(key.address, ip->from, 16);
		verdict = bpf_map_lookup_elem(&networks6, &key);
	}
	return verdict ? *verdict : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
