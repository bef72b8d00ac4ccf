/* Samples to user space and cut packets: 64 bytes of each go out as a perf event, long ones are cut to 96. */
#include "headers.h"

struct note {
	__u32 length, mark;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} mirror SEC(".maps");

SEC("tc")
int tc_mirror(struct __sk_buff *skb)
{
	struct note note = {skb->len, skb->mark};
	__u64 most = skb->len < 64 ? skb->len : 64;

	if (bpf_perf_event_output(skb, &mirror, BPF_F_CURRENT_CPU | most << 32, &note, sizeof(note)))
		return TC_ACT_SHOT;
	if (skb->len <= 96)
		return TC_ACT_OK;
	return bpf_skb_change_tail(skb, 96, 0) ? TC_ACT_STOLEN : TC_ACT_PIPE;
}

char _license[] SEC("license") = "GPL";
