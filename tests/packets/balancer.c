/* A layer-4 load balancer: a flow's hash chooses a server of a table, the packet goes there inside another IPv4 header. */
#include "headers.h"

#define SLOTS 61

struct server {
	__be32 address;
	__u8 mac[6], padding[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct server);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} chosen SEC(".maps");

INLINE __u32 mixed(__u32 hash, __u32 word)
{
	hash = (hash ^ word) * 0x9E3779B1u;
	return hash ^ (hash >> 15);
}

SEC("xdp")
int balancer(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end), old;
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0, outer = {};
	struct server *server;
	__u32 slot, sum = 0;
	__u64 *count;
	struct udp *ports;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5 || (ip->protocol != TCP && ip->protocol != UDP))
		return XDP_PASS;
	ports = HEADER(udp, ip + 1, end);
	if (!ports)
		return XDP_DROP;
	slot = mixed(mixed(mixed(ip->protocol, ip->from), ip->to), ports->from << 16 | ports->to) % SLOTS;
	server = bpf_map_lookup_elem(&table, &slot);
	if (!server || !server->address)
		return XDP_PASS;
	count = bpf_map_lookup_elem(&chosen, &slot);
	if (count)
		__sync_fetch_and_add(count, 1);
	old = *eth;
	outer = *ip;
	outer.length = bpf_htons(bpf_ntohs(ip->length) + sizeof(outer));
	outer.protocol = IPIP;
	outer.ttl = 64;
	outer.from = bpf_htonl(0x0A0000FE);
	outer.to = server->address;
	outer.sum = 0;
	for (int at = 0; at < 10; at++)
		sum += ((__u16 *)&outer)[at];
	outer.sum = folded(sum);
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(outer)))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	eth = HEADER(eth, data, end);
	ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	if (!ip)
		return XDP_ABORTED;
	*eth = old;
	__builtin_memcpy(eth->to, server->mac, 6);
	*ip = outer;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
