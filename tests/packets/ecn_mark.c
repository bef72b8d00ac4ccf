/* Congestion marks: every fourth packet of a capable flow gets CE (RFC 3168), one of a flow that is not is dropped. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} turn SEC(".maps");

SEC("xdp")
int ecn_mark(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__u32 zero = 0, *count = bpf_map_lookup_elem(&turn, &zero);
	__u16 old;

	if (!ip || !count || eth->type != bpf_htons(ETH_IP) || (__sync_fetch_and_add(count, 1) & 3) != 3)
		return XDP_PASS;
	if (!(ip->tos & 3))
		return XDP_DROP;
	old = *(__u16 *)ip;
	ip->tos |= 3;
	ip->sum = changed(ip->sum, old, *(__u16 *)ip);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
