/* What GRE carries (RFC 2784, 2890), by EtherType; a key is counted too. */
#include "corpus.h"

struct gre {
	be16 flags, type;
};

enum { CHECKSUM = 0x8000, KEY = 0x2000 };

MAP(inner, HASH, u16, u64, 1024);
MAP(keys, HASH, u32, u64, 1024);

SEC("xdp")
int gre_inner(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct gre *gre;
	be32 *key;
	u32 number;
	u16 type;

	if (!HAS(ip, proto, end) || eth->type != BE16(ETH_IP) || ip->proto != GRE)
		return XDP_PASS;
	gre = behind(ip);
	if (!HAS(gre, type, end))
		return XDP_PASS;
	type = swap16(gre->type);
	count(&inner, &type, 1);
	if (!(gre->flags & BE16(KEY)))
		return XDP_PASS;
	key = (void *)(gre + 1);
	if (gre->flags & BE16(CHECKSUM))
		key++;
	if ((void *)(key + 1) > end)
		return XDP_PASS;
	number = swap32(*key);
	count(&keys, &number, 1);
	return XDP_PASS;
}

LICENSE;
