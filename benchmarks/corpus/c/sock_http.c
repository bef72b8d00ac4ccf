/* Messages of HTTP by their first word. */
#include "corpus.h"

struct word {
	char text[4];
};

MAP(methods, HASH, struct word, u64, 64);

SEC("socket")
int sock_http(struct __sk_buff *skb)
{
	u32 tcp, text, word;

	if (!skb->ingress_ifindex)
		return 0;
	tcp = 14 + (load_byte(skb, 14) & 15) * 4;
	text = tcp + (load_byte(skb, tcp + 12) >> 4) * 4;
	if (skb_load_bytes(skb, text, &word, 4))
		return 0;
	switch (word) {
	case 0x50545448: /* HTTP */
	case 0x20544547: /* "GET " */
	case 0x54534f50: /* POST */
	case 0x20545550: /* "PUT " */
	case 0x44414548: /* HEAD */
	case 0x454c4544: /* DELE */
		count(&methods, &word, 1);
	}
	return 0;
}

LICENSE;
