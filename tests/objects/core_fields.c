// CO-RE: what a program asks of fields: offset, size, existence, sign and the shifts that read a bit-field.
#include "bpf.h"

struct inner { u16 port; u16 zone[4]; };

struct record {
	u64 id;
	struct inner inner[3];
	u32 low : 5, middle : 11;
	s32 signed_bits : 9;
	union { u32 word; u8 octets[4]; };
	struct record *next;
} __attribute__((preserve_access_index));

enum { OFFSET, SIZE, EXISTS, SIGNED, LSHIFT, RSHIFT };
#define ASK(field, what) __builtin_preserve_field_info(field, what)

u64 answers[16];

IN("raw_tp/sys_enter") int fields(u64 *ctx)
{
	struct record *one = (struct record *)ctx[0];

	answers[0] = ASK(one->inner[2].zone[1], OFFSET);
	answers[1] = ASK(one->inner, SIZE);
	answers[2] = ASK(one->word, EXISTS);
	answers[3] = ASK(one->signed_bits, SIGNED) | ASK(one->low, SIGNED) << 1;
	answers[4] = ASK(one->middle, LSHIFT);
	answers[5] = ASK(one->middle, RSHIFT);
	answers[6] = ASK(one->middle, OFFSET);
	answers[7] = ASK(one->signed_bits, SIZE);
	answers[8] = (u64)&one->octets[3] - (u64)one;
	answers[9] = (u64)&one->next - (u64)&one->inner[1];
	return 0;
}

char _license[] IN("license") = "GPL";
