/* Encapsulation in GRE with a key, for networks of a trie: the tunnel's other end and its key are the trie's value. */
#include "headers.h"

struct network {
	__u32 bits;
	__be32 address;
};

struct tunnel {
	__be32 from, to, key;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32);
	__type(key, struct network);
	__type(value, struct tunnel);
} tunnels SEC(".maps");

struct outer {
	struct eth eth;
	struct ipv4 ip;
	struct gre gre;
	__be32 key;
} __attribute__((packed));

SEC("xdp")
int gre_push(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct network key = {.bits = 32};
	struct outer head = {}, *outer;
	struct tunnel *tunnel;
	struct ipv4 fresh = {};

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->protocol == GRE)
		return XDP_PASS;
	key.address = ip->to;
	tunnel = bpf_map_lookup_elem(&tunnels, &key);
	if (!tunnel)
		return XDP_PASS;
	head.eth = *eth;
	fresh.version = 4;
	fresh.words = 5;
	fresh.tos = ip->tos;
	fresh.length = bpf_htons(bpf_ntohs(ip->length) + sizeof(head) - sizeof(head.eth));
	fresh.fragment = bpf_htons(0x4000);
	fresh.ttl = ip->ttl;
	fresh.protocol = GRE;
	fresh.from = tunnel->from;
	fresh.to = tunnel->to;
	fresh.sum = header_sum(&fresh);
	head.ip = fresh;
	head.gre.flags = bpf_htons(0x2000);
	head.gre.protocol = bpf_htons(ETH_IP);
	head.key = tunnel->key;
	if (bpf_xdp_adjust_head(ctx, -(int)(sizeof(head) - sizeof(head.eth))))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	outer = HEADER(outer, data, end);
	if (!outer)
		return XDP_ABORTED;
	*outer = head;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
