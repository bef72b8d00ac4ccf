/* The greatest common divisor by Euclid; of 32-bit numbers it takes 47 turns at most. */
#include "corpus.h"

SEC("syscall")
int gcd(struct call *call)
{
	u32 a = call->arguments[0], b = call->arguments[1];

	for (int turn = 0; turn < 48 && b; turn++) {
		u32 rest = a % b;

		a = b;
		b = rest;
	}
	call->result = a;
	return 0;
}

LICENSE;
