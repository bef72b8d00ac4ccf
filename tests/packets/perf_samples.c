/* Samples of packets by perf events: own words first, then as much of the packet as the flags ask for. */
#include "headers.h"

struct note {
	__u32 length, type;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} samples SEC(".maps");

SEC("xdp")
int perf_samples(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct note note = {end - data};
	__u64 most;

	if (!eth)
		return XDP_PASS;
	note.type = bpf_ntohs(eth->type);
	if (note.type == ETH_IP)
		return XDP_PASS;
	most = note.length < 40 ? note.length : 40;
	if (bpf_perf_event_output(ctx, &samples, BPF_F_CURRENT_CPU | most << 32, &note, sizeof(note)))
		return XDP_ABORTED;
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
