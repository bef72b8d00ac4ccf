/* A load balancer with direct server return: Jenkins' hash of a flow finds a server in a consistent table, whose MAC
 * the frame gets; the addresses stay. Servers that are taken out leave their flows to the slot's second choice. */
#include "headers.h"

#define SLOTS 127
#define ROTATED(word, by) ((word) << (by) | (word) >> (32 - (by)))

struct choice {
	__u32 first, second;
};

struct server {
	__u8 mac[6];
	__u16 up;
	__u64 packets;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct choice);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct server);
} servers SEC(".maps");

const volatile __u32 secret = 0xDEADBEEF;

struct state {
	__u32 a, b, c;
};

/* Jenkins' lookup3 (public domain): the step between twelve bytes, and the last one. */
INLINE void mix(struct state *on)
{
	on->a = (on->a - on->c) ^ ROTATED(on->c, 4), on->c += on->b;
	on->b = (on->b - on->a) ^ ROTATED(on->a, 6), on->a += on->c;
	on->c = (on->c - on->b) ^ ROTATED(on->b, 8), on->b += on->a;
	on->a = (on->a - on->c) ^ ROTATED(on->c, 16), on->c += on->b;
	on->b = (on->b - on->a) ^ ROTATED(on->a, 19), on->a += on->c;
	on->c = (on->c - on->b) ^ ROTATED(on->b, 4), on->b += on->a;
}

INLINE __u32 last(struct state *on)
{
	on->c = (on->c ^ on->b) - ROTATED(on->b, 14);
	on->a = (on->a ^ on->c) - ROTATED(on->c, 11);
	on->b = (on->b ^ on->a) - ROTATED(on->a, 25);
	on->c = (on->c ^ on->b) - ROTATED(on->b, 16);
	on->a = (on->a ^ on->c) - ROTATED(on->c, 4);
	on->b = (on->b ^ on->a) - ROTATED(on->a, 14);
	return (on->c ^ on->b) - ROTATED(on->b, 24);
}

static __noinline __u32 jenkins(const __u32 *words, __u32 count, __u32 start)
{
	struct state on = {start, start, start};

	for (__u32 at = 0; at < 9; at += 3) {
		if (at)
			mix(&on);
		on.a += words[at], on.b += words[at + 1], on.c += words[at + 2];
		if (at + 3 >= count)
			break;
	}
	return last(&on);
}

SEC("xdp")
int direct_return(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *at;
	struct eth *eth = HEADER(eth, data, end);
	__u32 words[9] = {}, count = 3, slot;
	struct choice *choice;
	struct server *server;
	struct udp *ports;
	struct ipv4 *ip;
	struct ipv6 *ip6;
	__u8 protocol;

	if (!eth)
		return XDP_ABORTED;
	if (eth->type == bpf_htons(ETH_IP) && (ip = HEADER(ipv4, eth + 1, end))) {
		words[0] = ip->from, words[1] = ip->to;
		protocol = ip->protocol, at = (void *)ip + ip->words * 4;
	} else if (eth->type == bpf_htons(ETH_IP6) && (ip6 = HEADER(ipv6, eth + 1, end))) {
		__builtin_memcpy(words, ip6->from, 32);
		protocol = ip6->next, at = ip6 + 1, count = 9;
	} else {
		return XDP_PASS;
	}
	ports = HEADER(udp, at, end);
	if ((protocol != TCP && protocol != UDP) || !ports)
		return XDP_PASS;
	words[count - 1] = ports->from | (__u32)ports->to << 16;
	slot = jenkins(words, count, secret + count) % SLOTS;
	choice = bpf_map_lookup_elem(&table, &slot);
	if (!choice)
		return XDP_ABORTED;
	server = bpf_map_lookup_elem(&servers, &choice->first);
	if (!server || !server->up)
		server = bpf_map_lookup_elem(&servers, &choice->second);
	if (!server || !server->up)
		return XDP_DROP;
	__sync_fetch_and_add(&server->packets, 1);
	__builtin_memcpy(eth->from, eth->to, 6);
	__builtin_memcpy(eth->to, server->mac, 6);
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
