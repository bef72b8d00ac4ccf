/* Requests of HTTP by method; what asks for /admin is dropped. */
#include "corpus.h"

struct word {
	char text[4];
};

MAP(methods, HASH, struct word, u64, 64);

INLINE bool is_method(u32 word)
{
	return word == 0x20544547 /* "GET " */ || word == 0x54534f50 /* POST */ || word == 0x20545550 /* "PUT " */ ||
	       word == 0x44414548 /* HEAD */ || word == 0x454c4544 /* DELE */;
}

SEC("xdp")
int http_guard(struct xdp_md *ctx)
{
	PACKET(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	u32 size, word;
	struct tcp *tcp;
	char *text;

	if (!HAS(ip, proto, end) || eth->type != BE16(ETH_IP) || ip->proto != TCP)
		return XDP_PASS;
	tcp = behind(ip);
	if (!HAS(tcp, dport, end) || tcp->dport != BE16(80))
		return XDP_PASS;
	if (!HAS(tcp, window, end))
		return XDP_PASS;
	size = tcp->words * 4;
	text = (void *)tcp + size;
	if ((void *)(text + 4) > end)
		return XDP_PASS;
	word = *(u32 *)text;
	if (!is_method(word))
		return XDP_PASS;
	count(&methods, &word, 1);
	text += word == 0x20544547 || word == 0x20545550 ? 4 : 5;
	if ((void *)(text + 6) > end)
		return XDP_PASS;
	return __builtin_memcmp(text, "/admin", 6) ? XDP_PASS : XDP_DROP;
}

LICENSE;
