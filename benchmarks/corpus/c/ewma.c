/* An exponentially weighted mean with 8 bits behind the point, and the mean deviation beside it, as TCP keeps them. */
#include "corpus.h"

SEC("syscall")
int ewma(struct call *call)
{
	u32 mean = call->arguments[0], deviation = call->arguments[1], sample = call->arguments[2];
	s64 error = ((s64)(sample & 0xffff) << 8) - (mean & 0xffffff);

	mean = (mean & 0xffffff) + (error >> 3);
	if (error < 0)
		error = -error;
	deviation = (s64)(deviation & 0xffffff) + ((error - (s64)(deviation & 0xffffff)) >> 2);
	call->result = (u64)mean << 32 | deviation;
	return 0;
}

LICENSE;
