/* Settings and state as global variables: constants that a loader sets, counters, tables, in sections of their own. */
#include "headers.h"

const volatile __u32 least = 60, most = 1400;
const volatile __u8 allowed[8] = {ICMP, TCP, UDP, 58};

__u64 accepted, refused_by[4];
__u32 last_length = 0xffffffff;
static __u32 lengths[4] = {60, 100, 300, 1000};
__u64 slow_path SEC(".data.counters") = 7;

SEC("xdp")
int settings(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__u32 size = end - data, found = 0;

	last_length = size;
	for (int at = 0; at < 4; at++)
		if (size < lengths[at])
			lengths[at]--;
	if (!ip || size < least) {
		refused_by[0]++;
		return XDP_DROP;
	}
	if (size > most) {
		refused_by[1]++;
		return XDP_DROP;
	}
	if (eth->type != bpf_htons(ETH_IP)) {
		slow_path++;
		return XDP_PASS;
	}
	for (int at = 0; at < 8; at++)
		found |= allowed[at] && allowed[at] == ip->protocol;
	if (!found) {
		refused_by[2]++;
		return XDP_DROP;
	}
	accepted += size;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
