/* Spreads flows over CPUs by a cpumap, with the number of the receive queue, and sends those of one port to a device. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct bpf_cpumap_val);
} cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u32);
} chosen SEC(".maps");

SEC("xdp")
int spread(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__u32 key, one = 1, *count;

	if (!ip || eth->type != bpf_htons(ETH_IP))
		return XDP_PASS;
	if (ip->protocol == ICMP)
		return bpf_redirect(ctx->ingress_ifindex, 0);
	if (ip->protocol == IPIP)
		return bpf_redirect_map(&devices, 77 + (ip->ttl & 1), XDP_TX);
	key = (hashed(ip->from, ip->to) + ctx->rx_queue_index) & 7;
	count = bpf_map_lookup_elem(&chosen, &key);
	if (count)
		++*count;
	else
		bpf_map_update_elem(&chosen, &key, &one, BPF_ANY);
	return bpf_redirect_map(&cpus, key, XDP_PASS);
}

char _license[] SEC("license") = "Dual MIT/GPL";
