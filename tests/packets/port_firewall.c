/* A host's firewall by protocol and port: a hash says what becomes of a packet, counters of each rule stand by CPU. */
#include "headers.h"

enum { UNSPECIFIED, ALLOW, DENY, ESTABLISHED };

struct port {
	__u8 protocol, zero;
	__be16 number;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct port);
	__type(value, __u32);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64[2]);
} counts SEC(".maps");

INLINE __u32 ruled(struct port *port, void *at, void *end)
{
	struct udp *ports = HEADER(udp, at, end);
	struct tcp *tcp = HEADER(tcp, at, end);
	__u32 *rule;

	if (!ports)
		return DENY;
	port->number = ports->to;
	rule = bpf_map_lookup_elem(&rules, port);
	if (!rule)
		return UNSPECIFIED;
	if (*rule != ESTABLISHED || port->protocol != TCP)
		return *rule;
	return tcp && (tcp->flags & 0x12) != 2 ? ESTABLISHED : DENY; /* anything but a SYN without ACK */
}

SEC("xdp")
int port_firewall(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *at;
	struct eth *eth = HEADER(eth, data, end);
	struct port port = {};
	struct ipv4 *ip;
	struct ipv6 *ip6;
	__u64 *count;
	__u32 rule;

	if (!eth)
		return XDP_ABORTED;
	if (eth->type == bpf_htons(ETH_IP) && (ip = HEADER(ipv4, eth + 1, end))) {
		port.protocol = ip->protocol;
		at = (void *)ip + ip->words * 4;
	} else if (eth->type == bpf_htons(ETH_IP6) && (ip6 = HEADER(ipv6, eth + 1, end))) {
		port.protocol = ip6->next;
		at = ip6 + 1;
	} else {
		return XDP_PASS;
	}
	if (port.protocol != TCP && port.protocol != UDP)
		return XDP_PASS;
	rule = ruled(&port, at, end);
	count = bpf_map_lookup_elem(&counts, &rule);
	if (!count)
		return XDP_ABORTED; /* a rule that nobody knows */
	count[0]++;
	count[1] += end - data;
	return rule == DENY ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
