/* Settings and state in global data: constants, initialised tables, static counters that functions of the program share. */
#include "headers.h"

#define CLASSES 4

struct limit {
	__u32 bytes, packets;
};

const volatile struct limit limits[CLASSES] = {{4000, 20}, {9000, 9}, {0, 0}, {100000, 1000}};
const volatile __u8 closed = TC_ACT_SHOT;
struct limit used[CLASSES] = {{100, 0}, {0, 1}};
static volatile __u64 rounds;
static __u32 refused[CLASSES];

static __attribute__((noinline)) int spend(__u32 class, __u32 bytes)
{
	struct limit *one = &used[class & 3];

	if (one->bytes + bytes > limits[class & 3].bytes || one->packets >= limits[class & 3].packets) {
		refused[class & 3]++;
		return closed;
	}
	one->bytes += bytes;
	one->packets++;
	return TC_ACT_OK;
}

SEC("tc")
int skb_limits(struct __sk_buff *skb)
{
	__u32 class = 3;
	__u8 tos;

	if (++rounds % 64 == 0)
		__builtin_memset(used, 0, sizeof(used));
	if (skb->protocol == bpf_htons(ETH_IP) && !bpf_skb_load_bytes(skb, sizeof(struct eth) + 1, &tos, 1))
		class = tos >> 6;
	skb->tc_classid = refused[class & 3];
	return spend(class, skb->len);
}

char _license[] SEC("license") = "Dual MIT/GPL";
