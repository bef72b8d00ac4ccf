/* Batcher's network sorts the eight bytes of a word; the least comes out lowest. */
#include "corpus.h"

static const u8 pairs[19][2] = {
	{0, 1}, {2, 3}, {4, 5}, {6, 7}, {0, 2}, {1, 3}, {4, 6}, {5, 7}, {1, 2}, {5, 6},
	{0, 4}, {1, 5}, {2, 6}, {3, 7}, {2, 4}, {3, 5}, {1, 2}, {3, 4}, {5, 6},
};

SEC("syscall")
int sort8(struct call *call)
{
	u64 word = call->arguments[0], sorted = 0;
	u8 bytes[8];

	for (int at = 0; at < 8; at++)
		bytes[at] = word >> (8 * at);
#pragma unroll
	for (int at = 0; at < 19; at++) {
		u8 low = bytes[pairs[at][0]], high = bytes[pairs[at][1]];

		bytes[pairs[at][0]] = low < high ? low : high;
		bytes[pairs[at][1]] = low < high ? high : low;
	}
	for (int at = 0; at < 8; at++)
		sorted |= (u64)bytes[at] << (8 * at);
	call->result = sorted;
	return 0;
}

LICENSE;
