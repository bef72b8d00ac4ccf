/* Takes GRE off: the flags tell how long its header is, the key which tenant's counter grows; other versions are dropped. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} tenants SEC(".maps");

SEC("xdp")
int gre_strip(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end), kept;
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__u32 size = sizeof(struct gre), flags, key = 0;
	struct gre *gre;
	__u64 *count;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol != GRE)
		return XDP_PASS;
	gre = HEADER(gre, ip + 1, end);
	if (!gre)
		return XDP_DROP;
	flags = bpf_ntohs(gre->flags);
	if (flags & 7)
		return XDP_DROP;
	if (flags & 0x8000)
		size += 4;
	if (flags & 0x2000) {
		__be32 *word = (void *)gre + size;

		if ((void *)(word + 1) > end)
			return XDP_DROP;
		key = bpf_ntohl(*word);
		size += 4;
	}
	if (flags & 0x1000)
		size += 4;
	count = bpf_map_lookup_elem(&tenants, &key);
	if (!count)
		return XDP_DROP;
	++*count;
	kept = *eth;
	kept.type = gre->protocol;
	if (bpf_xdp_adjust_head(ctx, sizeof(*ip) + size))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	eth = HEADER(eth, data, end);
	if (!eth)
		return XDP_ABORTED;
	*eth = kept;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
