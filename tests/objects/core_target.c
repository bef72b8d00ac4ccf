// The types that core_layout.c meets: the same names, laid out otherwise.
#include "bpf.h"

struct inner { u32 pad; u16 zone[8]; u16 port; };

struct record {
	u8 lead;
	u32 id;
	struct record *next;
	struct inner inner[4];
	union { struct { u32 before; u32 word; }; u64 whole; };
	u32 low : 3, middle : 20;
	s64 signed_bits : 40;
	s64 level;
	enum { IDLE, BUSY, GONE } state;
	char tail[];
};

struct record kept;

IN("raw_tp/types") int types(void *ctx)
{
	return kept.lead;
}

char _license[] IN("license") = "GPL";
