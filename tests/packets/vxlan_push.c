/* A VXLAN tunnel's entry: a whole frame goes into UDP, its flow's hash is the source port, its target's MAC the peer. */
#include "headers.h"

struct mac {
	__u8 bytes[6];
};

struct peer {
	__be32 address;
	__u32 number;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32);
	__type(key, struct mac);
	__type(value, struct peer);
} peers SEC(".maps");

struct outer {
	struct eth eth;
	struct ipv4 ip;
	struct udp udp;
	struct vxlan vxlan;
} __attribute__((packed));

SEC("xdp")
int vxlan_push(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	__u32 size = end - data, hash;
	struct outer head = {}, *outer;
	struct ipv4 ip = {};
	struct peer *peer;
	struct mac key;

	if (!eth)
		return XDP_DROP;
	__builtin_memcpy(key.bytes, eth->to, 6);
	peer = bpf_map_lookup_elem(&peers, &key);
	if (!peer)
		return XDP_PASS;
	hash = hashed(hashed(eth->type, eth->from[4] << 8 | eth->from[5]), size);
	head.eth = *eth;
	head.eth.type = bpf_htons(ETH_IP);
	ip.version = 4;
	ip.words = 5;
	ip.length = bpf_htons(size + sizeof(head) - sizeof(head.eth));
	ip.ttl = 64;
	ip.protocol = UDP;
	ip.from = bpf_htonl(0xC0000201);
	ip.to = peer->address;
	ip.sum = header_sum(&ip);
	head.ip = ip;
	head.udp.from = bpf_htons(0xC000 | (hash & 0x3fff));
	head.udp.to = bpf_htons(4789);
	head.udp.length = bpf_htons(size + sizeof(head.udp) + sizeof(head.vxlan));
	head.vxlan.flags = bpf_htonl(0x08000000);
	head.vxlan.number = bpf_htonl(peer->number << 8);
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(head)))
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
