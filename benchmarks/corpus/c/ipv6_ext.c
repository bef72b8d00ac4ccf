/* What IPv6 carries behind its extension headers, of which up to 6 are passed. */
#include "corpus.h"

enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, AUTHENTICATION = 51, DESTINATION = 60 };

struct extension {
	u8 next, size;
};

MAP(carried, ARRAY, u32, u64, 256);

SEC("xdp")
int ipv6_ext(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv6 *ip = (void *)(eth + 1);
	struct extension *extension = (void *)(ip + 1);
	u8 next;

	if (!HAS(ip, next, end) || eth->type != BE16(ETH_IP6))
		return XDP_PASS;
	next = ip->next;
	for (int passed = 0; passed < 6; passed++) {
		u32 size;

		if (next != HOP_BY_HOP && next != ROUTING && next != FRAGMENT && next != AUTHENTICATION &&
		    next != DESTINATION)
			break;
		if (!HAS(extension, size, end))
			return XDP_PASS;
		if (next == FRAGMENT)
			size = 8;
		else if (next == AUTHENTICATION)
			size = (extension->size + 2) * 4;
		else
			size = (extension->size + 1) * 8;
		next = extension->next;
		extension = (void *)extension + size;
	}
	add(&carried, next, 1);
	return XDP_PASS;
}

LICENSE;
