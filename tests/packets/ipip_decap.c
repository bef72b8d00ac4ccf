/* The other end of a tunnel: IPv4 in IPv4 loses its outer header, when the sender is one that may. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __be32);
	__type(value, __u8);
} senders SEC(".maps");

SEC("xdp")
int ipip_decap(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end), old, *fresh;
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->protocol != IPIP || ip->words != 5)
		return XDP_PASS;
	if (!bpf_map_lookup_elem(&senders, &ip->from))
		return XDP_DROP;
	old = *eth;
	if (bpf_xdp_adjust_head(ctx, sizeof(*ip)))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	fresh = HEADER(eth, data, end);
	if (!fresh)
		return XDP_ABORTED;
	*fresh = old;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
