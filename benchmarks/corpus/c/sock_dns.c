/* Questions of the DNS by type, behind names of up to 8 labels. */
#include "corpus.h"

MAP(qtypes, ARRAY, u32, u64, 256);

SEC("socket")
int sock_dns(struct __sk_buff *skb)
{
	u32 udp, at;

	if (load_byte(skb, 23) != UDP)
		return 0;
	udp = 14 + (load_byte(skb, 14) & 15) * 4;
	if (load_half(skb, udp + 4) < 12)
		return 0;
	at = udp + 8 + 12;
	for (int labels = 0; labels < 8; labels++) {
		u32 size = load_byte(skb, at);

		if (!size) {
			add(&qtypes, load_byte(skb, at + 2), 1);
			return 0;
		}
		at += size + 1;
	}
	return 0;
}

LICENSE;
