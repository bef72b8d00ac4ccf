/* Lets a socket see ARP alone, at most 42 bytes of it, and counts by operation and what was kept from it. */
#include "corpus.h"

MAP(operations, HASH, u16, u64, 64);
MAP(others, PERCPU_ARRAY, u32, u64, 1);

SEC("socket")
int sock_arp(struct __sk_buff *skb)
{
	u32 first = 0;
	u64 *total;
	u16 op;

	if (load_half(skb, 12) != ETH_ARP) {
		total = map_lookup(&others, &first);
		if (total)
			++*total;
		return 0;
	}
	op = load_half(skb, 20);
	count(&operations, &op, 1);
	return 42;
}

LICENSE;
