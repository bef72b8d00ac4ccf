/* Sources that were never seen before are queued for user space; a Bloom filter remembers those that were. */
#include "corpus.h"

struct {
	__uint(type, BLOOM_FILTER);
	__uint(max_entries, 4096);
	__type(value, u32);
} known SEC(".maps");

struct {
	__uint(type, QUEUE);
	__uint(max_entries, 1024);
	__type(value, u32);
} fresh SEC(".maps");

SEC("xdp")
int first_seen(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	u32 source;

	if (!HAS(ip, src, end) || eth->type != BE16(ETH_IP))
		return XDP_PASS;
	source = swap32(ip->src);
	if (!map_peek(&known, &source))
		return XDP_PASS;
	map_push(&known, &source, ANY);
	map_push(&fresh, &source, ANY);
	return XDP_PASS;
}

LICENSE;
