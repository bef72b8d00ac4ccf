/* A router in small: longest prefix, time to live with its checksum, both MAC addresses, the next device by a devmap. */
#include "headers.h"

struct network {
	__u32 bits;
	__be32 address;
};

struct hop {
	__u32 port;
	__u8 to[6], from[6];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32);
	__type(key, struct network);
	__type(value, struct hop);
} routes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

SEC("xdp")
int router(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct network key = {.bits = 32};
	struct hop *hop;
	__u32 sum;

	if (!ip || eth->type != bpf_htons(ETH_IP))
		return XDP_PASS;
	if (ip->ttl <= 1)
		return XDP_PASS; /* for the kernel, which answers by ICMP */
	key.address = ip->to;
	hop = bpf_map_lookup_elem(&routes, &key);
	if (!hop)
		return XDP_PASS;
	sum = ip->sum + bpf_htons(0x0100);
	ip->sum = sum + (sum >= 0xffff);
	ip->ttl--;
	__builtin_memcpy(eth->to, hop->to, 6);
	__builtin_memcpy(eth->from, hop->from, 6);
	return bpf_redirect_map(&ports, hop->port, XDP_DROP);
}

char _license[] SEC("license") = "Dual MIT/GPL";
