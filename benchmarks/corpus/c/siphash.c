/* SipHash-2-4 of eight bytes (Aumasson, Bernstein 2012). */
#include "corpus.h"

struct sip {
	u64 a, b, c, d;
};

INLINE u64 rotated(u64 word, int by)
{
	return word << by | word >> (64 - by);
}

INLINE void turn(struct sip *sip)
{
	sip->a += sip->b;
	sip->c += sip->d;
	sip->b = rotated(sip->b, 13) ^ sip->a;
	sip->d = rotated(sip->d, 16) ^ sip->c;
	sip->a = rotated(sip->a, 32);
	sip->c += sip->b;
	sip->a += sip->d;
	sip->b = rotated(sip->b, 17) ^ sip->c;
	sip->d = rotated(sip->d, 21) ^ sip->a;
	sip->c = rotated(sip->c, 32);
}

SEC("syscall")
int siphash(struct call *call)
{
	u64 low = call->arguments[0], high = call->arguments[1], word = call->arguments[2];
	struct sip sip = {low ^ 0x736f6d6570736575, high ^ 0x646f72616e646f6d, low ^ 0x6c7967656e657261,
			  high ^ 0x7465646279746573};

	sip.d ^= word;
	turn(&sip);
	turn(&sip);
	sip.a ^= word;
	word = 8ULL << 56;
	sip.d ^= word;
	turn(&sip);
	turn(&sip);
	sip.a ^= word;
	sip.c ^= 0xff;
	for (int round = 0; round < 4; round++)
		turn(&sip);
	call->result = sip.a ^ sip.b ^ sip.c ^ sip.d;
	return 0;
}

LICENSE;
