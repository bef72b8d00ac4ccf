/* Counts packets and bytes by destination port in a per-CPU hash that grows as ports are met. */
#include "headers.h"

struct count {
	__u64 packets, bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 48);
	__type(key, __be16);
	__type(value, struct count);
} ports SEC(".maps");

SEC("xdp")
int port_counters(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct udp *ports_at;
	struct count *found, fresh = {1, 0};

	if (!ip || eth->type != bpf_htons(ETH_IP) || (ip->protocol != TCP && ip->protocol != UDP))
		return XDP_PASS;
	ports_at = (void *)ip + ip->words * 4;
	ports_at = HEADER(udp, ports_at, end);
	if (!ports_at)
		return XDP_ABORTED;
	fresh.bytes = end - data;
	found = bpf_map_lookup_elem(&ports, &ports_at->to);
	if (!found)
		return bpf_map_update_elem(&ports, &ports_at->to, &fresh, BPF_NOEXIST) ? XDP_DROP : XDP_PASS;
	found->packets++;
	found->bytes += fresh.bytes;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
