/* Connection tracking in small: flows in an LRU table, a packet that opens none and belongs to none is dropped. */
#include "headers.h"

struct flow {
	__be32 from, to;
	__be16 source, target;
	__u8 protocol, padding[3];
};

struct state {
	__u64 packets;
	__u32 flags, last_window;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 128);
	__type(key, struct flow);
	__type(value, struct state);
} flows SEC(".maps");

SEC("xdp")
int flow_table(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct flow key = {};
	struct state *found;
	struct tcp *tcp;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->protocol != TCP || ip->words != 5)
		return XDP_PASS;
	tcp = HEADER(tcp, ip + 1, end);
	if (!tcp)
		return XDP_DROP;
	key.from = ip->from;
	key.to = ip->to;
	key.source = tcp->from;
	key.target = tcp->to;
	key.protocol = TCP;
	found = bpf_map_lookup_elem(&flows, &key);
	if (!found) {
		struct state fresh = {1, tcp->flags, bpf_ntohs(tcp->window)};

		if (!(tcp->flags & 2))
			return XDP_DROP;
		return bpf_map_update_elem(&flows, &key, &fresh, BPF_NOEXIST) ? XDP_ABORTED : XDP_PASS;
	}
	found->packets++;
	found->flags |= tcp->flags;
	found->last_window = bpf_ntohs(tcp->window);
	if (tcp->flags & 4)
		bpf_map_delete_elem(&flows, &key);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
