/* Clamps the segment size that a SYN announces, as every tunnel's end has to; the checksum follows, at odd places too. */
#include "headers.h"

#define MOST 1360

SEC("xdp")
int mss_clamp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = HEADER(eth, data, end);
	struct ipv4 *ip = eth ? HEADER(ipv4, eth + 1, end) : 0;
	struct tcp *tcp;
	int left;
	__u8 *at;

	if (!ip || eth->type != bpf_htons(ETH_IP) || ip->words != 5 || ip->protocol != TCP)
		return XDP_PASS;
	tcp = HEADER(tcp, ip + 1, end);
	if (!tcp || tcp->words < 5 || !(tcp->flags & 2))
		return XDP_PASS;
	at = (__u8 *)(tcp + 1);
	left = (tcp->words - 5) * 4;
	for (int number = 0; number < 20 && left > 0; number++) {
		__u16 old, new = MOST;

		if ((void *)(at + 4) > end || *at == 0)
			break;
		if (*at == 1) {
			at++;
			left--;
			continue;
		}
		if (at[1] < 2)
			break;
		if (*at != 2 || at[1] != 4) {
			left -= at[1];
			at += at[1];
			continue;
		}
		old = at[2] << 8 | at[3];
		if (old <= MOST)
			break;
		at[2] = MOST >> 8;
		at[3] = MOST & 0xff;
		if (left & 1) { /* the bytes stand in two words of the sum, each on the other side */
			old = __builtin_bswap16(old);
			new = __builtin_bswap16(new);
		}
		tcp->sum = changed(tcp->sum, bpf_htons(old), bpf_htons(new));
		return XDP_TX;
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
