/* New flows to user space: a record is reserved in a ring buffer, filled by pieces, and thrown away when known already. */
#include "headers.h"

struct tuple {
	__be32 from, to;
	__be16 source, target;
	__u32 protocol;
};

struct record {
	struct tuple tuple;
	__u32 length, left;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} news SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 24);
	__type(key, struct tuple);
	__type(value, __u64);
} known SEC(".maps");

SEC("tc")
int skb_flows(struct __sk_buff *skb)
{
	struct record *record = bpf_ringbuf_reserve(&news, sizeof(*record), 0);
	void *data, *end;
	struct ipv4 *ip;
	struct udp *ports;
	__u64 *bytes, length = skb->len;
	int verdict = TC_ACT_SHOT;

	if (!record)
		return TC_ACT_STOLEN;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	ip = HEADER(ipv4, data + sizeof(struct eth), end);
	if (!ip || skb->protocol != bpf_htons(ETH_IP) || ip->words != 5)
		goto away;
	ports = HEADER(udp, ip + 1, end);
	if (!ports || (ip->protocol != TCP && ip->protocol != UDP))
		goto away;
	record->tuple = (struct tuple){ip->from, ip->to, ports->from, ports->to, ip->protocol};
	verdict = TC_ACT_OK;
	bytes = bpf_map_lookup_elem(&known, &record->tuple);
	if (bytes) {
		*bytes += length;
		goto away;
	}
	verdict = TC_ACT_PIPE;
	record->left = bpf_map_update_elem(&known, &record->tuple, &length, BPF_NOEXIST);
	record->length = length;
	bpf_ringbuf_submit(record, length & 1 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return verdict;
away:
	bpf_ringbuf_discard(record, 0);
	return verdict;
}

char _license[] SEC("license") = "Dual MIT/GPL";
