/* Answers datagrams to closed ports as a host does: ICMP "port unreachable" around their first 28 bytes (RFC 792). */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32);
	__type(key, __be16);
	__type(value, __u8);
} open SEC(".maps");

struct answer {
	struct eth eth;
	struct ipv4 ip;
	struct icmp icmp;
	struct ipv4 inner;
	struct udp udp;
} __attribute__((packed));

SEC("xdp")
int unreachable(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end), kept;
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0, fresh = {};
	struct udp *udp;
	struct answer *answer;
	struct icmp icmp = {3, 3};
	__u32 sum = 0, surplus;
	__be16 port;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol != UDP)
		return XDP_PASS;
	udp = HEADER(udp, ip + 1, end);
	if (!udp)
		return XDP_DROP;
	port = udp->to;
	if (bpf_map_lookup_elem(&open, &port))
		return XDP_PASS;
	kept = *eth;
	turned(&kept);
	fresh.version = 4;
	fresh.words = 5;
	fresh.length = bpf_htons(sizeof(*answer) - sizeof(kept));
	fresh.ttl = 64;
	fresh.protocol = ICMP;
	fresh.from = ip->to;
	fresh.to = ip->from;
	fresh.sum = header_sum(&fresh);
	for (int at = 0; at < 14; at++)
		sum += ((__u16 *)ip)[at];
	icmp.sum = folded(sum + bpf_htons(0x0303));
	surplus = (__u32)(end - data) - (sizeof(*eth) + sizeof(*ip) + sizeof(*udp));
	if (bpf_xdp_adjust_tail(ctx, -(int)surplus))
		return XDP_ABORTED;
	if (bpf_xdp_adjust_head(ctx, -(int)(sizeof(fresh) + sizeof(icmp))))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	answer = HEADER(answer, data, end);
	if (!answer)
		return XDP_ABORTED;
	answer->eth = kept;
	answer->ip = fresh;
	answer->icmp = icmp;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
