/* Puts untagged packets of known senders into their VLAN: the tag comes in front of the type, by adjust_head. */
#include "headers.h"

struct mac {
	__u8 bytes[6];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct mac);
	__type(value, __u16);
} members SEC(".maps");

SEC("xdp")
int vlan_push(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end), old;
	struct mac key;
	struct vlan *tag;
	__u16 *number;

	if (!eth)
		return XDP_DROP;
	if (eth->type == bpf_htons(ETH_VLAN))
		return XDP_PASS;
	__builtin_memcpy(key.bytes, eth->from, 6);
	number = bpf_map_lookup_elem(&members, &key);
	if (!number)
		return XDP_PASS;
	old = *eth;
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*tag)))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	eth = HEADER(eth, data, end);
	tag = eth ? HEADER(vlan, eth + 1, end) : 0;
	if (!tag)
		return XDP_ABORTED;
	*eth = old;
	tag->type = old.type;
	tag->tag = bpf_htons(*number);
	eth->type = bpf_htons(ETH_VLAN);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
