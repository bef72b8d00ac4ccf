/* Sources by the longest prefix of a trie: its value is the verdict, and counted. */
#include "corpus.h"

struct prefix {
	u32 bits;
	be32 address;
};

struct {
	__uint(type, LPM_TRIE);
	__uint(map_flags, NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct prefix);
	__type(value, u32);
} networks SEC(".maps");
MAP(verdicts, ARRAY, u32, u64, 4);

SEC("xdp")
int cidr_block(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct prefix key = {.bits = 32};
	u32 *found, verdict = XDP_PASS;

	if (!HAS(ip, src, end) || eth->type != BE16(ETH_IP))
		return XDP_PASS;
	key.address = ip->src;
	found = map_lookup(&networks, &key);
	if (found)
		verdict = *found;
	if (verdict >= 4)
		return XDP_PASS;
	add(&verdicts, verdict, 1);
	return verdict;
}

LICENSE;
