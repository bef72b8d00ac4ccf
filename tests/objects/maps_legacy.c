// Section "maps" with definitions of 20 bytes, as before BTF: type, sizes of key and value, entries, flags.
#include "bpf.h"

struct definition { u32 type, key_size, value_size, max_entries, flags; };

struct definition hits IN("maps") = { ARRAY, 4, 8, 256, 0 };
struct definition by_port IN("maps") = { HASH, 2, 16, 64, 1 };

IN("xdp") int old_maps(struct xdp_md *ctx)
{
	u32 first = 0;
	u16 port = ctx->rx_queue_index;
	u64 *value = lookup(&hits, &first);

	if (value)
		*value += 1;
	return lookup(&by_port, &port) ? XDP_DROP : XDP_PASS;
}

char _license[] IN("license") = "GPL";
u32 _version IN("version") = 0x060100;
