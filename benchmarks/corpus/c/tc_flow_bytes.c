/* Bytes of each pair of addresses and protocol, a counter for each CPU. */
#include "corpus.h"

struct pair {
	be32 src, dst;
	u32 proto;
};

MAP(volume, PERCPU_HASH, struct pair, u64, 4096);

SEC("tc")
int tc_flow_bytes(struct __sk_buff *skb)
{
	PACKET(skb);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	u64 *bytes, size = skb->len;
	struct pair pair;

	if (!HAS(eth, type, end))
		return TC_ACT_UNSPEC;
	if (eth->type != BE16(ETH_IP))
		return TC_ACT_OK;
	if (!HAS(ip, dst, end))
		return TC_ACT_UNSPEC;
	pair.src = ip->src;
	pair.dst = ip->dst;
	pair.proto = ip->proto;
	bytes = map_lookup(&volume, &pair);
	if (bytes)
		*bytes += size;
	else
		map_update(&volume, &pair, &size, ANY);
	return TC_ACT_OK;
}

LICENSE;
