/* Fragments follow their first one: its verdict, by port, is kept under sender, identification and protocol. */
#include "headers.h"

struct datagram {
	__be32 from, to;
	__be16 id;
	__u16 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 128);
	__type(key, struct datagram);
	__type(value, __u32);
} verdicts SEC(".maps");

SEC("xdp")
int fragments(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct datagram key = {};
	__u32 verdict = XDP_PASS, *known;
	struct udp *udp;

	if (!ip || eth->type != bpf_htons(ETH_IP))
		return XDP_PASS;
	key.from = ip->from;
	key.to = ip->to;
	key.id = ip->id;
	key.protocol = ip->protocol;
	if (ip->fragment & bpf_htons(0x1fff)) {
		known = bpf_map_lookup_elem(&verdicts, &key);
		if (!known)
			return XDP_DROP;
		verdict = *known;
		if (!(ip->fragment & bpf_htons(0x2000)))
			bpf_map_delete_elem(&verdicts, &key);
		return verdict;
	}
	udp = HEADER(udp, (void *)ip + ip->words * 4, end);
	if (!udp)
		return XDP_PASS;
	if (ip->protocol == UDP && bpf_ntohs(udp->to) < 1024 && udp->to != bpf_htons(53))
		verdict = XDP_DROP;
	if (ip->fragment & bpf_htons(0x2000))
		bpf_map_update_elem(&verdicts, &key, &verdict, BPF_ANY);
	return verdict;
}

char _license[] SEC("license") = "Dual MIT/GPL";
