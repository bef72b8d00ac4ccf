/* How many bits two words differ in, and how long their difference is. */
#include "corpus.h"

SEC("syscall")
int popcount(struct call *call)
{
	u64 different = call->arguments[0] ^ call->arguments[1];
	u32 length = 0;

	for (u32 step = 32; step; step >>= 1) {
		if (different >> length >> step)
			length += step;
	}
	if (different)
		length++;
	call->result = (u32)(length << 8 | __builtin_popcountll(different));
	return 0;
}

LICENSE;
