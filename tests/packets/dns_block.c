/* A DNS filter: the name asked for, in lower case, is looked up; questions for listed names are dropped and counted. */
#include "headers.h"

#define LONGEST 64

struct name {
	__u8 text[LONGEST];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32);
	__type(key, struct name);
	__type(value, __u64);
} listed SEC(".maps");

SEC("xdp")
int dns_block(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct name key = {};
	struct udp *udp;
	struct dns *dns;
	__u64 *count;
	__u8 *at;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol != UDP)
		return XDP_PASS;
	udp = HEADER(udp, ip + 1, end);
	if (!udp || udp->to != bpf_htons(53))
		return XDP_PASS;
	dns = HEADER(dns, udp + 1, end);
	if (!dns || dns->flags & bpf_htons(0x8000) || dns->questions != bpf_htons(1))
		return XDP_PASS;
	at = (__u8 *)(dns + 1);
	for (int size = 0; size < LONGEST; size++, at++) {
		if ((void *)(at + 1) > end)
			return XDP_DROP;
		if (*at == 0)
			break;
		key.text[size] = *at >= 'A' && *at <= 'Z' ? *at + 32 : *at;
	}
	count = bpf_map_lookup_elem(&listed, &key);
	if (!count)
		return XDP_PASS;
	__sync_fetch_and_add(count, 1);
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
