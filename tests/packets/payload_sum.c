/* A checksum of a whole UDP payload by bpf_loop, 16 bits a turn, as long as a packet is; wrong ones are dropped. */
#include "headers.h"

struct walk {
	struct xdp_md *ctx;
	__u32 at, end, sum;
};

static int word(__u32 number, struct walk *walk)
{
	__u8 bytes[2] = {};

	if (walk->at >= walk->end || walk->at > 4000)
		return 1;
	if (walk->at + 1 == walk->end) {
		if (bpf_xdp_load_bytes(walk->ctx, walk->at, bytes, 1))
			return 1;
	} else if (bpf_xdp_load_bytes(walk->ctx, walk->at, bytes, 2)) {
		return 1;
	}
	walk->sum += bytes[0] | bytes[1] << 8;
	walk->at += 2;
	return 0;
}

SEC("xdp")
int payload_sum(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct walk walk = {ctx};
	struct udp *udp;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol != UDP)
		return XDP_PASS;
	udp = HEADER(udp, ip + 1, end);
	if (!udp || !udp->sum)
		return XDP_PASS;
	walk.at = (void *)udp - data;
	walk.end = walk.at + bpf_ntohs(udp->length);
	walk.sum = (ip->from & 0xffff) + (ip->from >> 16) + (ip->to & 0xffff) + (ip->to >> 16) + bpf_htons(UDP) +
		   udp->length;
	bpf_loop(1024, word, &walk, 0);
	return folded(walk.sum) ? XDP_DROP : XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
