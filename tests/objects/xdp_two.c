// Two programs in two sections, and a second one in the first section; all count into one map.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 3);
} runs SEC(".maps");

static __always_inline void note_run(__u32 which)
{
	__u32 *count = bpf_map_lookup_elem(&runs, &which);

	if (count)
		__sync_fetch_and_add(count, 1);
}

SEC("xdp")
int first(struct xdp_md *ctx)
{
	note_run(0);
	return XDP_PASS;
}

SEC("xdp")
int beside_first(struct xdp_md *ctx)
{
	note_run(1);
	return XDP_TX;
}

SEC("xdp/second")
int second(struct xdp_md *ctx)
{
	note_run(2);
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
