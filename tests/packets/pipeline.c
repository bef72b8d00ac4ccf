/* A pipeline of tail calls: the parser leaves what it found in a per-CPU place, each protocol has a program of its own. */
#include "headers.h"

struct found {
	__u32 type, offset, stages;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct found);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 5);
	__type(key, __u32);
	__type(value, __u64);
} stages SEC(".maps");

int on_ipv4(struct xdp_md *ctx);
int on_ipv6(struct xdp_md *ctx);
int on_vlan(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 8);
	__uint(key_size, 4);
	__array(values, int(void *));
} next SEC(".maps") = {.values = {[1] = (void *)on_ipv4, [2] = (void *)on_ipv6, [3] = (void *)on_vlan}};

INLINE struct found *passed(__u32 stage)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&stages, &stage);
	struct found *found = bpf_map_lookup_elem(&scratch, &zero);

	if (count)
		++*count;
	if (found)
		found->stages++;
	return found;
}

INLINE int by_type(struct xdp_md *ctx, __u32 type)
{
	if (type == ETH_IP)
		bpf_tail_call(ctx, &next, 1);
	else if (type == ETH_IP6)
		bpf_tail_call(ctx, &next, 2);
	else if (type == ETH_VLAN)
		bpf_tail_call(ctx, &next, 3);
	else
		bpf_tail_call(ctx, &next, 7); /* nothing is there: goes on here */
	return XDP_ABORTED;
}

SEC("xdp")
int on_vlan(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct found *found = passed(3);
	struct vlan *tag;

	if (!found || found->offset > 100)
		return XDP_ABORTED;
	tag = HEADER(vlan, data + found->offset, end);
	if (!tag)
		return XDP_DROP;
	found->type = bpf_ntohs(tag->type);
	found->offset += sizeof(*tag);
	return by_type(ctx, found->type);
}

SEC("xdp")
int on_ipv4(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct found *found = passed(1);
	struct ipv4 *ip;

	if (!found || found->offset > 100)
		return XDP_ABORTED;
	ip = HEADER(ipv4, data + found->offset, end);
	if (!ip)
		return XDP_DROP;
	return ip->protocol == UDP ? XDP_PASS : ip->protocol == TCP ? XDP_TX : XDP_DROP;
}

SEC("xdp")
int on_ipv6(struct xdp_md *ctx)
{
	struct found *found = passed(2);

	return found && found->stages > 2 ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int parse(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct found *found = passed(0);

	if (!eth || !found)
		return XDP_DROP;
	found->stages = 1;
	found->type = bpf_ntohs(eth->type);
	found->offset = sizeof(*eth);
	return by_type(ctx, found->type);
}

char _license[] SEC("license") = "Dual MIT/GPL";
