/* Drops TCP segments whose flags no stack sends, and counts why: 1 none, 2 SYN with FIN, 3 all lit, 4 FIN alone. */
#include "corpus.h"

MAP(reasons, ARRAY, u32, u64, 8);

SEC("xdp")
int tcp_flags(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct tcp *tcp;
	u32 reason = 0;
	u8 flags;

	if (!HAS(ip, proto, end) || eth->type != BE16(ETH_IP) || ip->proto != TCP)
		return XDP_PASS;
	tcp = behind(ip);
	if (!HAS(tcp, flags, end))
		return XDP_PASS;
	flags = tcp->flags & (FIN | SYN | RST | PSH | ACK | URG);
	if (!flags)
		reason = 1;
	else if ((flags & (SYN | FIN)) == (SYN | FIN))
		reason = 2;
	else if ((flags & (FIN | PSH | URG)) == (FIN | PSH | URG))
		reason = 3;
	else if (flags == FIN)
		reason = 4;
	add(&reasons, reason, 1);
	return reason ? XDP_DROP : XDP_PASS;
}

LICENSE;
