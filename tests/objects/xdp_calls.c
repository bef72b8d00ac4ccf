// Calls: static functions in .text that call one another, and a global one.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 4);
} totals SEC(".maps");

static __noinline __u64 fold(__u64 value)
{
	value ^= value >> 32;
	return value * 0x9e3779b97f4a7c15ull;
}

static __noinline __u64 mix(__u64 a, __u64 b)
{
	return fold(a) + fold(b ^ 0x55);
}

__noinline int add(__u32 which, __u64 amount)
{
	__u64 *total = bpf_map_lookup_elem(&totals, &which);

	if (!total)
		return -1;
	*total += mix(amount, which);
	return 0;
}

SEC("xdp")
int length(struct xdp_md *ctx)
{
	__u64 size = ctx->data_end - ctx->data;

	return add(0, size) ? XDP_ABORTED : XDP_PASS;
}

SEC("xdp/mixed")
int mixed(struct xdp_md *ctx)
{
	__u64 size = ctx->data_end - ctx->data;

	add(1, mix(size, ctx->ingress_ifindex));
	return fold(size) & 1 ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
