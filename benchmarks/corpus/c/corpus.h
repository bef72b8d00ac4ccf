/* What the C halves share: types, sections, maps, helpers by number, contexts and headers, as far as they are used.
 *
 * Numbers and layouts are those of include/uapi/linux/bpf.h and of the RFCs; nothing is included, so that clang alone
 * makes the objects. Structs of headers are not packed: clang may load fields whole, which is to its advantage. */
#ifndef CORPUS_H
#define CORPUS_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;
typedef _Bool bool;
typedef u16 be16;
typedef u32 be32;

#define NULL ((void *)0)
#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define PACKED __attribute__((packed))
#define LICENSE char _license[] SEC("license") = "Dual MIT/GPL"

/* Members of a map's declaration: a number is the length of an array, a type that of a pointer's target. */
#define __uint(name, number) int (*name)[number]
#define __type(name, kind) __typeof__(kind) *name
#define __array(name, kind) __typeof__(kind) *name[]

#define MAP(name, kind, key_type, value_type, entries)                                                                 \
	struct {                                                                                                       \
		__uint(type, kind);                                                                                    \
		__uint(max_entries, entries);                                                                          \
		__type(key, key_type);                                                                                 \
		__type(value, value_type);                                                                             \
	} name SEC(".maps")

enum {
	HASH = 1, ARRAY = 2, PROG_ARRAY = 3, PERF_EVENT_ARRAY = 4, PERCPU_HASH = 5, PERCPU_ARRAY = 6, STACK_TRACE = 7,
	LRU_HASH = 9, LPM_TRIE = 11, ARRAY_OF_MAPS = 12, QUEUE = 22, RINGBUF = 27, BLOOM_FILTER = 30,
};
enum { NO_PREALLOC = 1 };
enum { ANY, NOEXIST, EXIST };
#define CURRENT_CPU 0xffffffffULL
#define USER_STACK 256

/* Helpers: what is called is a number. */
#define HELPER(number, result, name, ...) static result (*const name)(__VA_ARGS__) __attribute__((unused)) = (void *)number
HELPER(1, void *, map_lookup, void *map, const void *key);
HELPER(2, long, map_update, void *map, const void *key, const void *value, u64 flags);
HELPER(3, long, map_delete, void *map, const void *key);
HELPER(5, u64, ktime_get_ns, void);
HELPER(9, long, skb_store_bytes, void *skb, u32 offset, const void *from, u32 size, u64 flags);
HELPER(10, long, l3_csum_replace, void *skb, u32 offset, u64 from, u64 to, u64 size);
HELPER(11, long, l4_csum_replace, void *skb, u32 offset, u64 from, u64 to, u64 flags);
HELPER(12, long, tail_call, void *ctx, void *map, u32 index);
HELPER(14, u64, get_current_pid_tgid, void);
HELPER(15, u64, get_current_uid_gid, void);
HELPER(16, long, get_current_comm, void *to, u32 size);
HELPER(18, long, skb_vlan_push, void *skb, be16 protocol, u16 tag);
HELPER(19, long, skb_vlan_pop, void *skb);
HELPER(25, long, perf_event_output, void *ctx, void *map, u64 flags, const void *data, u64 size);
HELPER(26, long, skb_load_bytes, const void *skb, u32 offset, void *to, u32 size);
HELPER(27, long, get_stackid, void *ctx, void *map, u64 flags);
HELPER(44, long, xdp_adjust_head, void *ctx, int delta);
HELPER(87, long, map_push, void *map, const void *value, u64 flags);
HELPER(89, long, map_peek, void *map, void *value);
HELPER(112, long, probe_read_user, void *to, u32 size, const void *from);
HELPER(113, long, probe_read_kernel, void *to, u32 size, const void *from);
HELPER(114, long, probe_read_user_str, void *to, u32 size, const void *from);
HELPER(131, void *, ringbuf_reserve, void *ring, u64 size, u64 flags);
HELPER(132, void, ringbuf_submit, void *data, u64 flags);
HELPER(133, void, ringbuf_discard, void *data, u64 flags);
HELPER(158, void *, get_current_task_btf, void);

/* Loads of a socket's packet that end the program with 0 where it is too short (BPF_LD_ABS, BPF_LD_IND). */
u64 load_byte(void *skb, u64 offset) __asm__("llvm.bpf.load.byte");
u64 load_half(void *skb, u64 offset) __asm__("llvm.bpf.load.half");
u64 load_word(void *skb, u64 offset) __asm__("llvm.bpf.load.word");

#define swap16 __builtin_bswap16
#define swap32 __builtin_bswap32
#define BE16(number) ((be16)((number) >> 8 & 0xff | (number) << 8))

enum { XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT };
enum { TC_ACT_UNSPEC = -1, TC_ACT_OK, TC_ACT_RECLASSIFY, TC_ACT_SHOT };

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end;
};

/* The arguments and the result of a function of numbers, as the corpus has them: 64 bits each. */
struct call {
	u64 result, arguments[4];
};

enum { ETH_IP = 0x0800, ETH_ARP = 0x0806, ETH_VLAN = 0x8100, ETH_QINQ = 0x88a8, ETH_IP6 = 0x86dd };
enum { ICMP = 1, TCP = 6, UDP = 17, GRE = 47 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };

struct eth {
	u8 dst[6], src[6];
	be16 type;
};

struct vlan {
	be16 tag, type;
};

struct ipv4 {
	u8 ihl : 4, ver : 4, tos;
	be16 len, id, frag;
	u8 ttl, proto;
	u16 csum;
	be32 src, dst;
};

struct ipv6 {
	be32 flow;
	be16 len;
	u8 next, hops, src[16], dst[16];
};

struct tcp {
	be16 sport, dport;
	be32 seq, ack;
	u8 reserved : 4, words : 4, flags;
	be16 window;
	u16 csum;
	be16 urgent;
};

struct udp {
	be16 sport, dport, len;
	u16 csum;
};

struct icmp {
	u8 type, code;
	u16 csum;
	be16 id, seq;
};

struct arp {
	be16 hardware, protocol;
	u8 hardware_size, protocol_size;
	be16 op;
	u8 sender[6], sender_ip[4], target[6], target_ip[4];
};

/* Whether a header lies in the packet up to the end of one of its fields. */
#define HAS(header, field, end) ((void *)(&(header)->field + 1) <= (end))

#define PACKET(ctx) void *data = (void *)(long)(ctx)->data, *end = (void *)(long)(ctx)->data_end

/* What is behind an IPv4 header with its options. */
INLINE void *behind(struct ipv4 *ip)
{
	return (void *)ip + ip->ihl * 4;
}

INLINE u16 folded(u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* Adds to a counter of a hash map, which begins at its first key. */
INLINE void count(void *map, const void *key, u64 by)
{
	u64 *found = map_lookup(map, key);

	if (found)
		__sync_fetch_and_add(found, by);
	else
		map_update(map, key, &by, NOEXIST);
}

/* Adds to an element of an array map. */
INLINE void add(void *map, u32 index, u64 by)
{
	u64 *found = map_lookup(map, &index);

	if (found)
		__sync_fetch_and_add(found, by);
}

/* A checksum after a 16-bit word changed (RFC 1624, equation 3); all in the order of the packet. */
INLINE u16 adjusted(u16 sum, u16 old, u16 new)
{
	return ~folded((u16)~sum + (u16)~old + new);
}

INLINE u16 adjusted_word(u16 sum, u32 old, u32 new)
{
	return adjusted(adjusted(sum, old, new), old >> 16, new >> 16);
}
#endif
