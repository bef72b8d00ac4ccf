// Another action for each ethertype, and a record of what came, in a struct with most kinds of member.
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum family { FAMILY_OTHER, FAMILY_V4, FAMILY_V6, FAMILY_ARP, FAMILY_VLAN, FAMILY_COUNT };

struct seen {
	__u64 packets;
	__u64 bytes;
	enum family family;
	__s32 balance;
	char label[8];
	union {
		__u32 word;
		__u8 octets[4];
		struct {
			__u16 first;
			__u16 second;
		};
	};
	__u8 pad : 3;
	__u8 priority : 5;
	bool dropped;
	__s16 shape[2][2];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct seen);
	__uint(max_entries, FAMILY_COUNT);
} by_family SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 6);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_RDONLY);
} last_source SEC(".maps");

static __always_inline enum family family_of(__u16 ethertype)
{
	switch (ethertype) {
	case 0x0800:
		return FAMILY_V4;
	case 0x86dd:
		return FAMILY_V6;
	case 0x0806:
		return FAMILY_ARP;
	case 0x8100:
		return FAMILY_VLAN;
	}
	return FAMILY_OTHER;
}

SEC("xdp")
int actions(struct xdp_md *ctx)
{
	unsigned char *data = (unsigned char *)(long)ctx->data;
	unsigned char *end = (unsigned char *)(long)ctx->data_end;

	if (data + 14 > end)
		return XDP_ABORTED;

	__u32 family = family_of(data[12] << 8 | data[13]);
	__u32 first = 0;
	struct seen *seen = bpf_map_lookup_elem(&by_family, &family);
	unsigned char *source = bpf_map_lookup_elem(&last_source, &first);

	if (!seen || !source)
		return XDP_ABORTED;
	for (int i = 0; i < 6; i++)
		source[i] = data[6 + i];
	seen->packets++;
	seen->bytes += end - data;
	seen->family = family;
	seen->balance -= 1;
	seen->label[0] = (char)(0x61 + family);
	seen->word = bpf_ntohl(*(__u32 *)data);
	seen->priority = family + 1;
	seen->dropped = family == FAMILY_ARP;
	seen->shape[1][0] = -2;

	switch (family) {
	case FAMILY_V4:
		return XDP_PASS;
	case FAMILY_V6:
		return XDP_TX;
	case FAMILY_ARP:
		return XDP_DROP;
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
