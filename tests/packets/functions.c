/* Global and static functions, five arguments, memory passed by pointer, calls four deep: how larger programs are cut. */
#include "headers.h"

struct point {
	__u32 x, y;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct point);
	__type(value, __u64);
} places SEC(".maps");

__noinline int mixed_of(__u32 a, __u32 b, __u32 c, __u32 d, __u32 e)
{
	return hashed(hashed(hashed(hashed(a, b), c), d), e) & 15;
}

static __noinline long weigh(struct point *point, long weight)
{
	point->x = mixed_of(point->x, point->y, weight, weight >> 3, 7);
	point->y = (point->y + weight) & 3;
	return point->x * 4 + point->y;
}

__noinline int bump(struct point *point)
{
	__u64 one = 1, *count;

	if (!point)
		return -1;
	count = bpf_map_lookup_elem(&places, point);
	if (count)
		return ++*count & 0x7fffffff;
	return bpf_map_update_elem(&places, point, &one, BPF_NOEXIST) ? -2 : 1;
}

static __noinline int place(struct point *point, __u32 length)
{
	long weight = weigh(point, length);

	if (weight & 1)
		weigh(point, weight);
	return bump(point);
}

SEC("xdp")
int functions(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct point point;
	int times;

	if (!eth)
		return XDP_PASS;
	point.x = eth->from[5];
	point.y = eth->type;
	times = place(&point, end - data);
	return times < 0 ? XDP_ABORTED : times > 4 ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
