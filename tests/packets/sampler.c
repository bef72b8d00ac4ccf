/* Samples for a slow reader: every third packet's first 32 bytes go into a queue, whose oldest give way when it is full. */
#include "headers.h"

struct sample {
	__u32 number, length;
	__u8 head[32];
};

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 16);
	__type(value, struct sample);
} samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} packets SEC(".maps");

SEC("xdp")
int sampler(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 zero = 0, *number = bpf_map_lookup_elem(&packets, &zero);
	struct sample sample = {};

	if (!number)
		return XDP_ABORTED;
	sample.number = ++*number;
	sample.length = end - data;
	if (sample.number % 3)
		return XDP_PASS;
	if (bpf_xdp_load_bytes(ctx, 0, sample.head, sizeof(sample.head)))
		return XDP_DROP;
	return bpf_map_push_elem(&samples, &sample, BPF_EXIST) ? XDP_ABORTED : XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
