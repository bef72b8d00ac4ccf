/* Port knocking: three UDP packets in order open a door for their sender; one out of order begins anew. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 64);
	__type(key, __be32);
	__type(value, __u32);
} knocks SEC(".maps");

static const __u16 doors[4] = {7000, 8000, 9000, 0};

SEC("xdp")
int knock(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct udp *udp;
	__u32 *step, next = 0;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5)
		return XDP_PASS;
	step = bpf_map_lookup_elem(&knocks, &ip->from);
	if (ip->protocol != UDP)
		return ip->protocol == TCP && (!step || *step < 3) ? XDP_DROP : XDP_PASS;
	udp = HEADER(udp, ip + 1, end);
	if (!udp)
		return XDP_DROP;
	if (step)
		next = *step;
	if (next >= 3)
		return XDP_PASS;
	next = bpf_ntohs(udp->to) == doors[next & 3] ? next + 1 : 0;
	bpf_map_update_elem(&knocks, &ip->from, &next, BPF_ANY);
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
