// CO-RE: a struct that the target (core_target.c) lays out differently, and where some of it is missing: every question
// about fields, and loads and stores that take another place and another size.
#include "bpf.h"

struct inner { u16 port; u16 zone[4]; };

struct record___mine {
	u64 id;
	struct inner inner[3];
	u32 low : 5, middle : 11;
	s32 signed_bits : 9;
	u32 word;
	s32 level;
	struct record___mine *next;
	enum { IDLE, BUSY } state;
	u8 gone;
	char tail[4];
} __attribute__((preserve_access_index));

enum { OFFSET, SIZE, EXISTS, SIGNED, LSHIFT, RSHIFT };
#define ASK(field, what) __builtin_preserve_field_info(field, what)

u64 answers[24];

IN("raw_tp/questions") int questions(u64 *ctx)
{
	struct record___mine *one = (struct record___mine *)ctx[0];

	answers[0] = ASK(one->id, OFFSET);
	answers[1] = ASK(one->id, SIZE);
	answers[2] = ASK(one->inner[2].zone[3], OFFSET);
	answers[3] = ASK(one->inner, SIZE);
	answers[4] = ASK(one->inner[1].port, SIZE);
	answers[5] = ASK(one->middle, OFFSET);
	answers[6] = ASK(one->middle, SIZE);
	answers[7] = ASK(one->middle, LSHIFT);
	answers[8] = ASK(one->middle, RSHIFT);
	answers[9] = ASK(one->middle, SIGNED);
	answers[10] = ASK(one->signed_bits, OFFSET);
	answers[11] = ASK(one->signed_bits, SIZE);
	answers[12] = ASK(one->signed_bits, LSHIFT);
	answers[13] = ASK(one->signed_bits, RSHIFT);
	answers[14] = ASK(one->signed_bits, SIGNED);
	answers[15] = ASK(one->word, OFFSET);
	answers[16] = ASK(one->state, EXISTS);
	answers[17] = ASK(one->gone, EXISTS);
	answers[18] = ASK(one->tail[3], OFFSET);
	answers[19] = ASK(one->next, EXISTS);
	if (ASK(one->gone, EXISTS))
		answers[20] = ASK(one->gone, OFFSET);
	answers[21] = (u64)&one[2].word - (u64)one;
	return 0;
}

IN("raw_tp/accesses") int accesses(u64 *ctx)
{
	struct record___mine *one = (struct record___mine *)ctx[0];

	one->word = 7;
	one->id = one->inner[1].port + (u64)one->next->next;
	return one->word + one->level + one->gone;
}

char _license[] IN("license") = "GPL";
