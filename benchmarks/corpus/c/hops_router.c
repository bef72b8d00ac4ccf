/* The same of IPv6, whose hop limit has no checksum; between networks of a trie by the destination's first 8 bytes. */
#include "corpus.h"

struct prefix {
	u32 bits;
	u8 address[8];
};

struct {
	__uint(type, LPM_TRIE);
	__uint(map_flags, NO_PREALLOC);
	__uint(max_entries, 256);
	__type(key, struct prefix);
	__type(value, u32);
} routes SEC(".maps");
MAP(taken, HASH, u32, u64, 256);

SEC("xdp")
int hops_router(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv6 *ip = (void *)(eth + 1);
	struct prefix key = {.bits = 64};
	u32 *route, chosen;

	if (!HAS(ip, dst, end) || eth->type != BE16(ETH_IP6))
		return XDP_PASS;
	if (ip->hops <= 1)
		return XDP_DROP;
	__builtin_memcpy(key.address, ip->dst, 8);
	route = map_lookup(&routes, &key);
	if (!route)
		return XDP_PASS;
	ip->hops--;
	chosen = *route;
	count(&taken, &chosen, 1);
	return XDP_TX;
}

LICENSE;
