// CO-RE: enumerators, whether they exist and their values, of enums of 32 and of 64 bits, signed and not.
#include "bpf.h"

enum small { SMALL_A = 1, SMALL_B = 7 };
enum negative { BELOW = -3, ABOVE = 3 };
enum large { LARGE = 0x123456789abcdefull, LARGER };
enum large_negative { DEEP = -0x100000000ll, HIGH = 0x100000000ll };

enum { EXISTS, VALUE };
#define ASK(kind, name, what) __builtin_preserve_enum_value(*(enum kind *)name, what)

u64 answers[8];

IN("raw_tp/sys_enter") int enumerators(void *ctx)
{
	answers[0] = ASK(small, SMALL_A, EXISTS);
	answers[1] = ASK(small, SMALL_B, VALUE);
	answers[2] = ASK(negative, BELOW, VALUE);
	answers[3] = ASK(large, LARGER, VALUE);
	answers[4] = ASK(large, LARGE, EXISTS);
	answers[5] = ASK(large_negative, DEEP, VALUE);
	return 0;
}

char _license[] IN("license") = "GPL";
