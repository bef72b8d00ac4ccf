/* The CRC of IEEE 802.3 of the first bytes of a word, bit by bit. */
#include "corpus.h"

SEC("syscall")
int crc32(struct call *call)
{
	u64 word = call->arguments[0];
	u32 size = call->arguments[1], crc = 0xffffffff;

	for (u32 byte = 0; byte < 8 && byte < size; byte++) {
		crc ^= word & 0xff;
		word >>= 8;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
	}
	call->result = (u32)~crc;
	return 0;
}

LICENSE;
