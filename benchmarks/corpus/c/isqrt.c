/* The integer square root by Newton's way, from above. */
#include "corpus.h"

SEC("syscall")
int isqrt(struct call *call)
{
	u64 number = call->arguments[0], root = 1ULL << 32;

	for (int turn = 0; turn < 40; turn++) {
		u64 next = (root + number / root) >> 1;

		if (next >= root)
			break;
		root = next;
	}
	call->result = root;
	return 0;
}

LICENSE;
