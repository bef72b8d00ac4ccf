/* Stateless address translation: the destination of a table, checksums changed in place as RFC 1624 has it. */
#include "headers.h"

struct target {
	__be32 address;
	__be16 port, padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct target);
	__type(value, struct target);
} services SEC(".maps");

SEC("xdp")
int nat(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct target key = {}, *to;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5)
		return XDP_PASS;
	key.address = ip->to;
	if (ip->protocol == TCP) {
		struct tcp *tcp = HEADER(tcp, ip + 1, end);

		if (!tcp)
			return XDP_DROP;
		key.port = tcp->to;
		to = bpf_map_lookup_elem(&services, &key);
		if (!to)
			return XDP_PASS;
		tcp->sum = changed(changed_word(tcp->sum, ip->to, to->address), tcp->to, to->port);
		tcp->to = to->port;
	} else if (ip->protocol == UDP) {
		struct udp *udp = HEADER(udp, ip + 1, end);

		if (!udp)
			return XDP_DROP;
		key.port = udp->to;
		to = bpf_map_lookup_elem(&services, &key);
		if (!to)
			return XDP_PASS;
		if (udp->sum)
			udp->sum = changed(changed_word(udp->sum, ip->to, to->address), udp->to, to->port) ?: 0xffff;
		udp->to = to->port;
	} else {
		return XDP_PASS;
	}
	ip->sum = changed_word(ip->sum, ip->to, to->address);
	ip->to = to->address;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
