/* Marks traffic anew by its port: the six DSCP bits of IPv4 with the checksum, and of IPv6's traffic class. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u8);
} classes SEC(".maps");

INLINE __u8 *class_of(struct udp *ports)
{
	__u32 port = bpf_ntohs(ports->to);

	return bpf_map_lookup_elem(&classes, &port);
}

SEC("xdp")
int dscp_remark(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct udp *ports;
	__u8 *class;

	if (eth && eth->type == bpf_htons(ETH_IP)) {
		struct ipv4 *ip = HEADER(ipv4, eth + 1, end);
		__u16 old;

		if (!ip || ip->words != 5 || (ip->protocol != TCP && ip->protocol != UDP))
			return XDP_PASS;
		ports = HEADER(udp, ip + 1, end);
		class = ports ? class_of(ports) : 0;
		if (!class)
			return XDP_PASS;
		old = *(__u16 *)ip;
		ip->tos = *class << 2 | (ip->tos & 3);
		ip->sum = changed(ip->sum, old, *(__u16 *)ip);
		return XDP_TX;
	}
	if (eth && eth->type == bpf_htons(ETH_IP6)) {
		struct ipv6 *ip = HEADER(ipv6, eth + 1, end);

		if (!ip || (ip->next != TCP && ip->next != UDP))
			return XDP_PASS;
		ports = HEADER(udp, ip + 1, end);
		class = ports ? class_of(ports) : 0;
		if (!class)
			return XDP_PASS;
		ip->flow = (ip->flow & bpf_htonl(0xF03FFFFF)) | bpf_htonl(*class << 22);
		return XDP_TX;
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
