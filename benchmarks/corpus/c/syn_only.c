/* New TCP connections only to listed ports: a SYN to another one is dropped, what is no SYN passes. */
#include "corpus.h"

MAP(services, HASH, u16, u64, 256);

SEC("xdp")
int syn_only(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct tcp *tcp;
	u64 *opened;
	u16 port;

	if (!HAS(ip, proto, end) || eth->type != BE16(ETH_IP) || ip->proto != TCP)
		return XDP_PASS;
	tcp = behind(ip);
	if (!HAS(tcp, flags, end) || (tcp->flags & (SYN | ACK)) != SYN)
		return XDP_PASS;
	port = swap16(tcp->dport);
	opened = map_lookup(&services, &port);
	if (!opened)
		return XDP_DROP;
	__sync_fetch_and_add(opened, 1);
	return XDP_PASS;
}

LICENSE;
