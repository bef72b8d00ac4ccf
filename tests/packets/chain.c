/* A program that goes on with itself: 33 tail calls are made, the next one fails (MAX_TAIL_CALL_CNT). */
#include "headers.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} steps SEC(".maps");

int chain(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__array(values, int(void *));
} itself SEC(".maps") = {.values = {[0] = (void *)chain}};

SEC("xdp")
int chain(struct xdp_md *ctx)
{
	__u32 first = 0, second = 1, wanted = bpf_xdp_get_buff_len(ctx) & 63;
	__u32 *done = bpf_map_lookup_elem(&steps, &first), *longest = bpf_map_lookup_elem(&steps, &second);

	if (!done || !longest)
		return XDP_ABORTED;
	if (*done < wanted) {
		++*done;
		bpf_tail_call(ctx, &itself, 0);
		if (*longest < *done)
			*longest = *done;
		*done = 0;
		return XDP_DROP;
	}
	*done = 0;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
