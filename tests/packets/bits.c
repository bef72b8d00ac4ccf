/* Atomic operations on shared words: bits of ports seen, highest and exchanged values, a lock-free maximum. */
#include "headers.h"

__u64 ports[4], both, parity, swapped;
__u32 highest, tries;

SEC("xdp")
int bits(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	__u32 port, now, seen;
	struct udp *udp;
	__u64 bit, old;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5)
		return XDP_PASS;
	udp = HEADER(udp, ip + 1, end);
	if (!udp)
		return XDP_DROP;
	port = bpf_ntohs(udp->to);
	bit = 1ull << (port & 63);
	old = __sync_fetch_and_or(&ports[port >> 6 & 3], bit);
	__sync_fetch_and_and(&both, ~bit);
	__sync_fetch_and_xor(&parity, bit);
	old ^= __sync_lock_test_and_set(&swapped, bit) >> 1;
	now = highest;
	for (int turn = 0; turn < 4 && now < port; turn++) {
		seen = __sync_val_compare_and_swap(&highest, now, port);
		__sync_fetch_and_add(&tries, 1);
		if (seen == now)
			break;
		now = seen;
	}
	return old & bit ? XDP_PASS : XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
