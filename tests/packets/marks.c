/* Metadata before the packet, which the traffic control behind reads: a mark by port, by adjust_meta. */
#include "headers.h"

struct mark {
	__u32 value, hash;
};

SEC("xdp")
int marks(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *start;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct mark found = {}, *mark;

	if (!ip || eth->type != bpf_htons(ETH_IP))
		return XDP_PASS;
	found.value = ip->protocol;
	found.hash = hashed(ip->from, ip->to);
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(found)))
		return XDP_ABORTED;
	start = (void *)(long)ctx->data_meta;
	data = (void *)(long)ctx->data;
	mark = HEADER(mark, start, data);
	if (!mark)
		return XDP_ABORTED;
	*mark = found;
	if (found.value == ICMP && bpf_xdp_adjust_meta(ctx, sizeof(found)))
		return XDP_ABORTED;
	return found.value == ICMP ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
