/* Records of the length that they need: a dynptr over ring buffer memory takes a packet's payload, whatever it has. */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} captured SEC(".maps");

SEC("xdp")
int records(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	__u32 size = end - data, taken = 0;
	struct bpf_dynptr record;
	__u8 part[16];

	if (!eth)
		return XDP_PASS;
	if (size > 240)
		size = 240;
	if (bpf_ringbuf_reserve_dynptr(&captured, size, 0, &record)) {
		bpf_ringbuf_discard_dynptr(&record, 0);
		return XDP_ABORTED;
	}
	for (int turn = 0; turn < 15; turn++) {
		__u32 some = size - taken < sizeof(part) ? size - taken : sizeof(part);

		if (!some)
			break;
		barrier_var(some); /* the verifier wants to see both bounds, those before 6.3 without a jump between */
		some = ((some - 1) & (sizeof(part) - 1)) + 1;
		if (bpf_xdp_load_bytes(ctx, taken, part, some) || bpf_dynptr_write(&record, taken, part, some, 0))
			break;
		taken += some;
	}
	if (taken < 48) {
		bpf_ringbuf_discard_dynptr(&record, 0);
		return XDP_DROP;
	}
	bpf_ringbuf_submit_dynptr(&record, 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
