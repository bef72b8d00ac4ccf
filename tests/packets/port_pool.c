/* Masquerading with ports of a stack: a new flow takes the port on top, a closed one puts it back; none left is a drop. */
#include "headers.h"

const volatile __be32 gateway = 0x0100007F;

struct flow {
	__be32 from, to;
	__be16 source, target;
};

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 8);
	__type(value, __u32);
} free_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, struct flow);
	__type(value, __u32);
} taken SEC(".maps");

SEC("xdp")
int port_pool(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct flow key = {};
	__u32 port, *known;
	struct tcp *tcp;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol != TCP)
		return XDP_PASS;
	tcp = HEADER(tcp, ip + 1, end);
	if (!tcp)
		return XDP_DROP;
	key.from = ip->from;
	key.to = ip->to;
	key.source = tcp->from;
	key.target = tcp->to;
	known = bpf_map_lookup_elem(&taken, &key);
	if (known) {
		port = *known;
		if (tcp->flags & 4) {
			bpf_map_delete_elem(&taken, &key);
			if (bpf_map_push_elem(&free_ports, &port, BPF_ANY))
				return XDP_ABORTED;
		}
	} else {
		if (bpf_map_peek_elem(&free_ports, &port))
			return XDP_DROP;
		if (bpf_map_update_elem(&taken, &key, &port, BPF_NOEXIST) || bpf_map_pop_elem(&free_ports, &port))
			return XDP_ABORTED;
	}
	tcp->sum = changed(changed_word(tcp->sum, ip->from, gateway), tcp->from, bpf_htons(port));
	tcp->from = bpf_htons(port);
	ip->sum = changed_word(ip->sum, ip->from, gateway);
	ip->from = gateway;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
