// Section "maps" in the form of iproute2's loader, 36 bytes: an id, a way of pinning and an inner map beside the rest.
// A program in section ID/KEY stands in the prog array of that id, at that key.
#include "bpf.h"

struct definition { u32 type, key_size, value_size, max_entries, flags, id, pinning, inner_id, inner_index; };

struct definition shared IN("maps") = { .type = ARRAY, .key_size = 4, .value_size = 8, .max_entries = 2, .pinning = 2 };
struct definition jumps IN("maps") = { .type = PROG_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 3, .id = 2 };

IN("2/1") int tail(struct __sk_buff *skb)
{
	return skb->len;
}

IN("classifier") int entry(struct __sk_buff *skb)
{
	u32 first = 0;
	u64 *value = lookup(&shared, &first);

	if (value)
		__sync_fetch_and_add(value, skb->len);
	tail_call(skb, &jumps, 1);
	return 0;
}

char _license[] IN("license") = "GPL";
