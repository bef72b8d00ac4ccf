/* A rate limiter: each source may send 10 packets at once, and 1000 a second. */
#include "corpus.h"

enum { BURST = 10, INTERVAL = 1000000 }; /* tokens, ns for one */

struct bucket {
	u64 tokens, filled;
};

MAP(buckets, HASH, u32, struct bucket, 4096);

SEC("xdp")
int token_bucket(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct bucket *bucket, fresh;
	u64 now, earned;
	u32 source;

	if (!HAS(ip, src, end) || eth->type != BE16(ETH_IP))
		return XDP_PASS;
	source = swap32(ip->src);
	now = ktime_get_ns();
	bucket = map_lookup(&buckets, &source);
	if (!bucket) {
		fresh.tokens = BURST - 1;
		fresh.filled = now;
		map_update(&buckets, &source, &fresh, ANY);
		return XDP_PASS;
	}
	earned = (now - bucket->filled) / INTERVAL;
	if (earned) {
		bucket->tokens += earned;
		if (bucket->tokens > BURST)
			bucket->tokens = BURST;
		bucket->filled += earned * INTERVAL;
	}
	if (!bucket->tokens)
		return XDP_DROP;
	bucket->tokens--;
	return XDP_PASS;
}

LICENSE;
