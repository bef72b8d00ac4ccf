/* Drops queries for listed names of the DNS, by a hash of up to 64 bytes; questions are counted by type. */
#include "corpus.h"

struct dns {
	be16 id, flags, questions, answers, authorities, more;
};

MAP(blocked, HASH, u32, u64, 1024);
MAP(asked, HASH, u16, u64, 256);

SEC("xdp")
int dns_block(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	u32 hash = 2166136261;
	struct udp *udp;
	struct dns *dns;
	u8 *name, letter = 1;
	u64 *drops;
	u16 type;

	if (!HAS(ip, proto, end) || eth->type != BE16(ETH_IP) || ip->proto != UDP)
		return XDP_PASS;
	udp = behind(ip);
	if (!HAS(udp, dport, end) || udp->dport != BE16(53))
		return XDP_PASS;
	dns = (void *)(udp + 1);
	if (!HAS(dns, questions, end) || dns->flags & BE16(0x8000) || dns->questions != BE16(1))
		return XDP_PASS;
	name = (void *)(dns + 1);
	for (int at = 0; at < 64; at++) {
		if ((void *)(name + 1) > end)
			return XDP_PASS;
		letter = *name++;
		if (!letter)
			break;
		if (letter >= 'A' && letter <= 'Z')
			letter += 32;
		hash = (hash ^ letter) * 16777619;
	}
	if (letter || (void *)(name + 2) > end)
		return XDP_PASS;
	type = name[0] << 8 | name[1];
	count(&asked, &type, 1);
	drops = map_lookup(&blocked, &hash);
	if (!drops)
		return XDP_PASS;
	__sync_fetch_and_add(drops, 1);
	return XDP_DROP;
}

LICENSE;
