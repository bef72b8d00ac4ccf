/* A switch's table: the sender's address is learned with its port, the receiver's is looked up. */
#include "corpus.h"

struct station {
	u8 mac[6];
	u16 vlan;
};

struct place {
	u32 port, moves;
};

MAP(stations, HASH, struct station, struct place, 1024);
MAP(answers, ARRAY, u32, u64, 3); /* known, same port, flooded */

SEC("xdp")
int mac_learn(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct vlan *vlan = (void *)(eth + 1);
	struct place *place, fresh = {};
	struct station key = {};
	u32 port = ctx->ingress_ifindex;

	if (!HAS(eth, type, end))
		return XDP_PASS;
	if (eth->type == BE16(ETH_VLAN)) {
		if (!HAS(vlan, tag, end))
			return XDP_PASS;
		key.vlan = swap16(vlan->tag) & 0xfff;
		port = port * 8 + (key.vlan & 7);
	}
	__builtin_memcpy(key.mac, eth->src, 6);
	place = map_lookup(&stations, &key);
	if (!place) {
		fresh.port = port;
		map_update(&stations, &key, &fresh, ANY);
	} else if (place->port != port) {
		place->port = port;
		place->moves++;
	}
	if (eth->dst[0] & 1) {
		add(&answers, 2, 1);
		return XDP_PASS;
	}
	__builtin_memcpy(key.mac, eth->dst, 6);
	place = map_lookup(&stations, &key);
	if (!place) {
		add(&answers, 2, 1);
		return XDP_PASS;
	}
	if (place->port == port) {
		add(&answers, 1, 1);
		return XDP_DROP;
	}
	add(&answers, 0, 1);
	return XDP_TX;
}

LICENSE;
