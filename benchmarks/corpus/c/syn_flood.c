/* Sources that send more than 16 SYNs beyond their ACKs are dropped; the table forgets who was seen longest ago. */
#include "corpus.h"

struct score {
	u32 syns, acks;
};

MAP(scores, LRU_HASH, u32, struct score, 1024);

SEC("xdp")
int syn_flood(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct score *score, fresh = {};
	struct tcp *tcp;
	bool syn, ack;
	u32 source;

	if (!HAS(ip, src, end) || eth->type != BE16(ETH_IP) || ip->proto != TCP)
		return XDP_PASS;
	tcp = behind(ip);
	if (!HAS(tcp, flags, end))
		return XDP_PASS;
	syn = tcp->flags & SYN;
	ack = tcp->flags & ACK;
	source = swap32(ip->src);
	score = map_lookup(&scores, &source);
	if (!score) {
		fresh.syns = syn && !ack;
		fresh.acks = ack;
		map_update(&scores, &source, &fresh, ANY);
		return XDP_PASS;
	}
	if (syn && !ack)
		__sync_fetch_and_add(&score->syns, 1);
	if (ack)
		__sync_fetch_and_add(&score->acks, 1);
	return score->syns > score->acks + 16 ? XDP_DROP : XDP_PASS;
}

LICENSE;
