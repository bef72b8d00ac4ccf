/* A power modulo a number of 32 bits, by squaring; modulo 0 gives 0. */
#include "corpus.h"

SEC("syscall")
int modpow(struct call *call)
{
	u64 base = (u32)call->arguments[0], power = 1;
	u32 exponent = call->arguments[1], modulus = call->arguments[2];

	call->result = 0;
	if (!modulus)
		return 0;
	base %= modulus;
	for (int bit = 0; bit < 32; bit++) {
		if (exponent & 1)
			power = power * base % modulus;
		base = base * base % modulus;
		exponent >>= 1;
	}
	call->result = power % modulus;
	return 0;
}

LICENSE;
