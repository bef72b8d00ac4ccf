/* Server names that clients of TLS ask for (RFC 6066), by a hash of their first 32 bytes. */
#include "corpus.h"

MAP(names, HASH, u32, u64, 1024);

SEC("socket")
int tls_names(struct __sk_buff *skb)
{
	u32 tcp, at;

	if (load_half(skb, 12) != ETH_IP || load_byte(skb, 23) != TCP)
		return 0;
	tcp = 14 + (load_byte(skb, 14) & 15) * 4;
	at = tcp + (load_byte(skb, tcp + 12) >> 4) * 4;
	if (load_byte(skb, at) != 22 || load_byte(skb, at + 5) != 1)
		return 0;
	at += 43;			       /* the session */
	at += load_byte(skb, at) + 1;	       /* suites */
	at += load_half(skb, at) + 2;	       /* compressions */
	at += load_byte(skb, at) + 1;	       /* the size of all extensions */
	at += 2;
	for (int extensions = 0; extensions < 16; extensions++) {
		u32 kind = load_half(skb, at), size = load_half(skb, at + 2), hash = 2166136261;

		if (kind) {
			at += 4 + size;
			continue;
		}
		size = load_half(skb, at + 7);
		for (u32 letter = 0; letter < 32 && letter < size; letter++)
			hash = (hash ^ (u32)load_byte(skb, at + 9 + letter)) * 16777619;
		count(&names, &hash, 1);
		return 0;
	}
	return 0;
}

LICENSE;
