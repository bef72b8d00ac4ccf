/* Every eighth IPv4 packet becomes a record of a ring buffer. */
#include "corpus.h"

struct sample {
	u64 number;
	be32 src, dst;
	u32 length;
	u8 proto, ttl;
	be16 id;
};

MAP(seen, ARRAY, u32, u64, 1);
struct {
	__uint(type, RINGBUF);
	__uint(max_entries, 1 << 18);
} samples SEC(".maps");

SEC("xdp")
int sampler(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct sample *sample;
	u64 *total, number;
	u32 first = 0;

	if (!HAS(ip, dst, end) || eth->type != BE16(ETH_IP))
		return XDP_PASS;
	total = map_lookup(&seen, &first);
	if (!total)
		return XDP_PASS;
	number = __sync_fetch_and_add(total, 1);
	if (number % 8)
		return XDP_PASS;
	sample = ringbuf_reserve(&samples, sizeof(*sample), 0);
	if (!sample)
		return XDP_PASS;
	sample->number = number;
	sample->src = ip->src;
	sample->dst = ip->dst;
	sample->length = end - data;
	sample->proto = ip->proto;
	sample->ttl = ip->ttl;
	sample->id = ip->id;
	ringbuf_submit(sample, 0);
	return XDP_PASS;
}

LICENSE;
