/* What the programs of this folder share: headers in network order, bounds, checksums. */
#ifndef HEADERS_H
#define HEADERS_H
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define INLINE static __always_inline
#define ETH_IP 0x0800
#define ETH_ARP 0x0806
#define ETH_VLAN 0x8100
#define ETH_QINQ 0x88A8
#define ETH_IP6 0x86DD
#define ICMP 1
#define IPIP 4
#define TCP 6
#define UDP 17
#define GRE 47

struct eth {
	__u8 to[6], from[6];
	__be16 type;
} __attribute__((packed));

struct vlan {
	__be16 tag, type;
};

struct ipv4 {
	__u8 words : 4, version : 4, tos;
	__be16 length, id, fragment;
	__u8 ttl, protocol;
	__u16 sum;
	__be32 from, to;
};

struct ipv6 {
	__be32 flow;
	__be16 length;
	__u8 next, hops;
	__u8 from[16], to[16];
};

struct tcp {
	__be16 from, to;
	__be32 sequence, acknowledged;
	__u8 reserved : 4, words : 4, flags;
	__be16 window;
	__u16 sum, urgent;
};

struct udp {
	__be16 from, to, length;
	__u16 sum;
};

struct icmp {
	__u8 type, code;
	__u16 sum;
	__be16 id, sequence;
};

struct arp {
	__be16 hardware, protocol;
	__u8 hardware_size, protocol_size;
	__be16 operation;
	__u8 from[6];
	__be32 from_ip;
	__u8 to[6];
	__be32 to_ip;
} __attribute__((packed));

/* A pointer to `type` at `at`, or null where the packet ends before. */
#define HEADER(type, at, end) ((void *)((struct type *)(at) + 1) <= (end) ? (struct type *)(at) : (struct type *)0)

INLINE __u16 folded(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* A checksum after a 16-bit word changed (RFC 1624, equation 3). */
INLINE __u16 changed(__u16 sum, __u16 old, __u16 new)
{
	return folded((__u16)~sum + (__u16)~old + new);
}

INLINE __u16 changed_word(__u16 sum, __u32 old, __u32 new)
{
	return changed(changed(sum, old, new), old >> 16, new >> 16);
}

struct gre {
	__be16 flags, protocol;
};

struct vxlan {
	__be32 flags, number;
};

/* How IPv6's extension headers begin. */
struct extension {
	__u8 next, size, kind, left;
	__be32 rest;
};

struct dns {
	__be16 id, flags, questions, answers, authorities, more;
};

INLINE __u32 hashed(__u32 hash, __u32 word)
{
	hash = (hash ^ word) * 0x9E3779B1u;
	return hash ^ (hash >> 15);
}

/* The checksum of an IPv4 header without options. */
INLINE __u16 header_sum(const struct ipv4 *ip)
{
	__u32 sum = 0;

	for (int at = 0; at < 10; at++)
		sum += ((const __u16 *)ip)[at];
	return folded(sum);
}

INLINE void turned(struct eth *eth)
{
	__u8 kept[6];

	__builtin_memcpy(kept, eth->to, 6);
	__builtin_memcpy(eth->to, eth->from, 6);
	__builtin_memcpy(eth->from, kept, 6);
}
#endif
