// What both halves of linked.o include: a function that each of them gets for itself.
#include "../bpf.h"

static APART u64 doubled(u64 number)
{
	return number * 2 ^ number >> 7;
}
