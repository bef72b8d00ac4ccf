/* Addresses and ports as text by bpf_snprintf, in a table that people read without tools. */
#include "headers.h"

struct line {
	char text[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, __be32);
	__type(value, struct line);
} lines SEC(".maps");

SEC("xdp")
int texts(struct xdp_md *ctx)
{
	static const char form[] = "%pI4 -> %pI4 %s/%u, %5d of 0x%04x|%-6s|";
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	char kind[8] = "other", *flags = kind;
	struct line line = {};
	__u64 words[7];
	struct udp *udp;
	__be32 from, to;
	long size;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5)
		return XDP_PASS;
	udp = HEADER(udp, ip + 1, end);
	if (!udp)
		return XDP_DROP;
	if (ip->protocol == TCP)
		__builtin_memcpy(kind, "tcp", 4);
	else if (ip->protocol == UDP)
		__builtin_memcpy(kind, "udp", 4);
	from = ip->from;
	to = ip->to;
	words[0] = (long)&from;
	words[1] = (long)&to;
	words[2] = (long)kind;
	words[3] = bpf_ntohs(udp->to);
	words[4] = -(int)ip->ttl;
	words[5] = bpf_ntohs(ip->length);
	words[6] = (long)flags;
	size = bpf_snprintf(line.text, sizeof(line.text), form, words, sizeof(words));
	if (size < 0)
		return XDP_ABORTED;
	bpf_map_update_elem(&lines, &from, &line, BPF_ANY);
	return size > (long)sizeof(line.text) ? XDP_TX : size & 1 ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
