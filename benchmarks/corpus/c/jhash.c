/* Jenkins' hash lookup3 of three words. */
#include "corpus.h"

INLINE u32 rotated(u32 word, int by)
{
	return word << by | word >> (32 - by);
}

SEC("syscall")
int jhash(struct call *call)
{
	u32 a = call->arguments[0], b = call->arguments[1], c = call->arguments[2];
	u32 start = 0xdeadbeef + (3 << 2) + (u32)call->arguments[3];

	a += start;
	b += start;
	c += start;
	c = (c ^ b) - rotated(b, 14);
	a = (a ^ c) - rotated(c, 11);
	b = (b ^ a) - rotated(a, 25);
	c = (c ^ b) - rotated(b, 16);
	a = (a ^ c) - rotated(c, 4);
	b = (b ^ a) - rotated(a, 14);
	c = (c ^ b) - rotated(b, 24);
	call->result = c;
	return 0;
}

LICENSE;
