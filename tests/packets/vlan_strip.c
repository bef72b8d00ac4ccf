/* VLAN and QinQ: up to two tags are taken off, their numbers counted; a packet of VLAN 4095 is dropped. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u16);
	__type(value, __u64);
} vlans SEC(".maps");

SEC("xdp")
int vlan_strip(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end), kept;
	struct vlan *tag;
	int off = 0;

	if (!eth)
		return XDP_PASS;
	kept = *eth;
	tag = (void *)(eth + 1);
	for (int depth = 0; depth < 2; depth++) {
		__u16 number;
		__u64 one = 1, *count;

		if (kept.type != bpf_htons(ETH_VLAN) && kept.type != bpf_htons(ETH_QINQ))
			break;
		if ((void *)(tag + 1) > end)
			return XDP_DROP;
		number = bpf_ntohs(tag->tag) & 0xfff;
		if (number == 0xfff)
			return XDP_DROP;
		count = bpf_map_lookup_elem(&vlans, &number);
		if (count)
			++*count;
		else
			bpf_map_update_elem(&vlans, &number, &one, BPF_ANY);
		kept.type = tag->type;
		tag++;
		off += sizeof(*tag);
	}
	if (!off)
		return XDP_PASS;
	if (bpf_xdp_adjust_head(ctx, off))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	eth = HEADER(eth, data, end);
	if (!eth)
		return XDP_ABORTED;
	*eth = kept;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
