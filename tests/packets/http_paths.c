/* HTTP requests told by their first line: the method counted, those for a hidden path reset by dropping. */
#include "headers.h"

enum { OTHER, GET, POST, HIDDEN };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} requests SEC(".maps");

static const char hidden[] = "/admin";

SEC("xdp")
int http_paths(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__u32 kind = OTHER, same = 0;
	struct tcp *tcp;
	__u64 *count;
	__u8 *text;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol != TCP)
		return XDP_PASS;
	tcp = HEADER(tcp, ip + 1, end);
	if (!tcp || tcp->to != bpf_htons(80))
		return XDP_PASS;
	text = (__u8 *)tcp + tcp->words * 4;
	if ((void *)(text + 12) > end)
		return XDP_PASS;
	if (text[0] == 'G' && text[1] == 'E' && text[2] == 'T' && text[3] == ' ') {
		kind = GET;
		text += 4;
	} else if (text[0] == 'P' && text[1] == 'O' && text[2] == 'S' && text[3] == 'T' && text[4] == ' ') {
		kind = POST;
		text += 5;
	}
	for (int at = 0; at < (int)sizeof(hidden) - 1; at++)
		same += text[at] == hidden[at];
	if (kind != OTHER && same == sizeof(hidden) - 1)
		kind = HIDDEN;
	count = bpf_map_lookup_elem(&requests, &kind);
	if (count)
		++*count;
	return kind == HIDDEN ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
