/* Marsaglia's xorshift64, so many turns, and the multiplication of its variant with a star. */
#include "corpus.h"

SEC("syscall")
int xorshift(struct call *call)
{
	u64 state = call->arguments[0];
	u32 turns = call->arguments[1];

	for (u32 turn = 0; turn < 64 && turn < turns; turn++) {
		state ^= state >> 12;
		state ^= state << 25;
		state ^= state >> 27;
	}
	call->result = state * 0x2545f4914f6cdd1d;
	return 0;
}

LICENSE;
