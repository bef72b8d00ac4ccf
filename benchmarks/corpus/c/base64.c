/* Three bytes as four digits of base 64 (RFC 4648), the first one lowest. */
#include "corpus.h"

INLINE u32 digit(u32 number)
{
	if (number < 26)
		return 'A' + number;
	if (number < 52)
		return 'a' + number - 26;
	if (number < 62)
		return '0' + number - 52;
	return number == 62 ? '+' : '/';
}

SEC("syscall")
int base64(struct call *call)
{
	u32 bytes = call->arguments[0], text = 0;

	for (int at = 0; at < 4; at++)
		text |= digit(bytes >> (18 - 6 * at) & 63) << (8 * at);
	call->result = text;
	return 0;
}

LICENSE;
