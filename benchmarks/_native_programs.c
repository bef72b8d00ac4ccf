/* Programs that are one thing each, for two compilers: -target bpf makes XDP programs of them, the host's compiler a
 * library. Each is a function of a packet; loops go round as often as the kernel's verifier walks them. What takes a
 * few ns is done to each of the FRAMES in a packet: once alone, it would hide behind the loop that repeats the run.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifdef __bpf__
struct xdp_md { u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex; };
#define PROGRAM(name)                                                                         \
    __attribute__((section("xdp/" #name), used)) int name(struct xdp_md *ctx)                 \
    {                                                                                         \
        return (int)name##_body((u8 *)(long)ctx->data, (u8 *)(long)ctx->data_end);            \
    }
struct { int (*type)[1]; int (*max_entries)[1024]; u32 *key; u64 *value; } flows __attribute__((section(".maps"), used));
static void *(*map_lookup_elem)(void *map, const void *key) = (void *)1;
#else
#define PROGRAM(name)                                                                         \
    u64 name(u8 *data, u8 *end, u64 times)                                                    \
    {                                                                                         \
        u64 sum = 0;                                                                          \
        for (u64 turn = 0; turn < times; turn++) {                                            \
            __asm__ volatile("" : "+r"(data), "+r"(end) : : "memory");                        \
            sum += name##_body(data, end);                                                    \
        }                                                                                     \
        return sum;                                                                           \
    }
#endif
#define INLINE static inline __attribute__((always_inline))
#define FRAMES 23
#define FRAME 64
#define EACH_FRAME(body)                                                                      \
    {                                                                                         \
        u64 sum = 0;                                                                          \
        for (u32 at = 0; at < FRAMES * FRAME; at += FRAME)                                    \
            sum += body(data + at, end);                                                      \
        return sum;                                                                           \
    }
#define APART static __attribute__((noinline))

INLINE u64 null_body(u8 *data, u8 *end) { return 2; }
PROGRAM(null)

/* P1: a chain of shifts, exclusive ors and a product */
INLINE u64 arithmetic_body(u8 *data, u8 *end)
{
    u64 x = 88172645;
    for (u64 turn = 50000; turn; turn--) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x += x * turn;
    }
    return x;
}
PROGRAM(arithmetic)

/* P2: the sum of a packet's bytes */
INLINE u64 bytes_body(u8 *data, u8 *end)
{
    u64 sum = 0;
    for (u32 at = 0; at < 1500; at++) {
        if (data + at + 1 > end)
            break;
        sum += data[at];
    }
    return sum;
}
PROGRAM(bytes)

/* P3: Ethernet, IPv4, TCP, a port */
INLINE u64 headers_of(u8 *data, u8 *end)
{
    if (data + 54 > end || *(u16 *)(data + 12) != 8 || (data[14] & 15) != 5 || data[23] != 6)
        return 2;
    return *(u16 *)(data + 36) == __builtin_bswap16(80) ? 1 : 2;
}
INLINE u64 headers_body(u8 *data, u8 *end) EACH_FRAME(headers_of)
PROGRAM(headers)

/* P5: two levels of calls, a thousand times */
APART u64 inner(u64 x) { return (x * 3) ^ 85; }
APART u64 outer(u64 x) { return inner(x + 7) + x + 7; }
INLINE u64 calls_body(u8 *data, u8 *end)
{
    u64 x = 0;
    for (u64 turn = 1000; turn; turn--)
        x = outer(x + turn);
    return x;
}
PROGRAM(calls)

/* Ethernet, up to two VLAN tags, IPv4 or IPv6, up to four extension headers, TCP or UDP */
INLINE u64 parse_of(u8 *data, u8 *end)
{
    u8 *at = data + 14;
    if (at > end)
        return 0;
    u16 type = *(u16 *)(data + 12);
    for (int tag = 0; tag < 2 && (type == __builtin_bswap16(0x8100) || type == __builtin_bswap16(0x88a8)); tag++) {
        if (at + 4 > end)
            return 0;
        type = *(u16 *)(at + 2);
        at += 4;
    }
    u8 next;
    if (type == __builtin_bswap16(0x0800)) {
        if (at + 20 > end)
            return 0;
        next = at[9];
        at += (at[0] & 15) * 4;
    } else if (type == __builtin_bswap16(0x86dd)) {
        if (at + 40 > end)
            return 0;
        next = at[6];
        at += 40;
        for (int header = 0; header < 4 && (next == 0 || next == 43 || next == 60); header++) {
            if (at + 8 > end)
                return 0;
            next = at[0];
            at += 8 + at[1] * 8;
        }
    } else {
        return 2;
    }
    if (at + 8 > end || (next != 6 && next != 17))
        return 2;
    return *(u16 *)(at + 2) == __builtin_bswap16(443) ? 1 : 2;
}
INLINE u64 parse_body(u8 *data, u8 *end) EACH_FRAME(parse_of)
PROGRAM(parse)

#ifdef __bpf__
/* A look-up by source address, and an addition there */
INLINE u64 hashmap_body(u8 *data, u8 *end)
{
    if (data + 34 > end)
        return 2;
    u32 key = *(u32 *)(data + 26);
    u64 *value = map_lookup_elem(&flows, &key);
    if (value)
        __sync_fetch_and_add(value, 1);
    return 2;
}
PROGRAM(hashmap)
#endif

/* Two texts of 256 bytes */
INLINE u64 compare_body(u8 *data, u8 *end)
{
    if (data + 512 > end)
        return 0;
    for (u32 at = 0; at < 256; at++)
        if (data[at] != data[256 + at])
            return at;
    return 256;
}
PROGRAM(compare)

/* A call for each step of a sequence */
APART u64 next(u64 a, u64 b) { return a + b; }
INLINE u64 sequence_body(u8 *data, u8 *end)
{
    u64 a = 0, b = 1;
    for (u32 turn = 0; turn < 10000; turn++) {
        u64 c = next(a, b);
        a = b;
        b = c;
    }
    return a;
}
PROGRAM(sequence)

/* How many primes there are below a number, by division; without branches, which the verifier would all follow */
INLINE u64 primes_body(u8 *data, u8 *end)
{
    u32 found = 0;
    for (u32 number = 2; number < 300; number++) {
        u32 divisors = 0;
        for (u32 divisor = 2; divisor < number; divisor++)
            divisors += (number % divisor - 1) >> 31;
        found += (divisors - 1) >> 31;
    }
    return found;
}
PROGRAM(primes)

#ifdef __bpf__
char _license[] __attribute__((section("license"), used)) = "GPL";
#endif
