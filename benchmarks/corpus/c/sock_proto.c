/* Packets of a socket by IPv4 protocol. */
#include "corpus.h"

MAP(hits, ARRAY, u32, u64, 256);

SEC("socket")
int sock_proto(struct __sk_buff *skb)
{
	add(&hits, load_byte(skb, 23), 1);
	return 0;
}

LICENSE;
