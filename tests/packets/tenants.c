/* Rules of each tenant in a map of his own: the VLAN chooses the map, the sender's address the verdict in it. */
#include "headers.h"

struct rules {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __be32);
	__type(value, __u32);
} red SEC(".maps"), blue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 8);
	__type(key, __u32);
	__array(values, struct rules);
} tenants SEC(".maps");

SEC("xdp")
int tenant_rules(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *rules;
	struct eth *eth = HEADER(eth, data, end);
	struct vlan *tag = eth ? HEADER(vlan, eth + 1, end) : 0;
	__u32 number, *verdict, fresh = XDP_PASS;
	struct ipv4 *ip;

	if (!tag || eth->type != bpf_htons(ETH_VLAN))
		return XDP_PASS;
	number = bpf_ntohs(tag->tag) & 0xfff;
	rules = bpf_map_lookup_elem(&tenants, &number);
	if (!rules)
		return XDP_DROP;
	ip = HEADER(ipv4, tag + 1, end);
	if (!ip || tag->type != bpf_htons(ETH_IP))
		return XDP_PASS;
	verdict = bpf_map_lookup_elem(rules, &ip->from);
	if (verdict)
		return *verdict;
	bpf_map_update_elem(rules, &ip->from, &fresh, BPF_ANY);
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
