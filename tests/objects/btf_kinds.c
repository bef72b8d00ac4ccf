// BTF: every kind of type, in the value of one map: bit-fields, unnamed members, arrays of arrays, pointers to functions,
// names that are only announced, qualifiers, tags, enums of 32 and 64 bits with and without sign, floats.
#include "bpf.h"

#define TAGGED(text) __attribute__((btf_decl_tag(text)))
#define TYPE_TAG(text) __attribute__((btf_type_tag(text)))

enum small { NONE, SOME = 5, MANY = 0x7fffffff };
enum below { LESS = -7, EVEN, MORE };
enum vast { VAST = 0x8000000000000001ull };
enum vast_below { DEEP = -0x8000000000ll, SHALLOW = 1 };
struct announced;
union announced_too;
typedef u32 word_t;
typedef const word_t fixed_t;
typedef int (*handler_t)(struct announced *one, union announced_too *other, ...);

struct tree { struct tree *left, *right; long long key; };

struct every {
	_Bool truth;
	char letter;
	signed char small_number;
	unsigned char byte;
	short half;
	unsigned long length;
	__int128 wide;
	float single;
	double twice;
	enum small small;
	enum below below;
	enum vast vast;
	enum vast_below vast_below;
	volatile fixed_t fixed;
	const char *text;
	char *const restrict_less;
	struct announced *announced;
	union announced_too *announced_too;
	handler_t handler;
	void (*plain)(void);
	int grid[2][3];
	struct tree root, *trees[2];
	u32 three : 3, : 5, nine : 9;
	s64 signed_bits : 33;
	enum small kind : 4;
	_Bool bit : 1;
	union {
		struct { u8 first, second; };
		u16 both TAGGED("union member");
	};
	struct { int inside; } named;
	u64 TYPE_TAG("user") *user;
	word_t ends[0];
} TAGGED("whole struct");

struct {
	NUMBER(type, HASH);
	NUMBER(max_entries, 1);
	OF(key, u32);
	OF(value, struct every);
} values IN(".maps");

TAGGED("a variable") u64 tagged;

static APART TAGGED("a function") u64 read(const struct every *restrict one TAGGED("an argument"))
{
	return one->three + one->nine + (one->signed_bits >> 3) + one->root.key;
}

IN("xdp") int kinds(struct xdp_md *ctx)
{
	u32 first = 0;
	struct every *one = lookup(&values, &first);

	if (!one)
		return XDP_PASS;
	one->kind = SOME;
	one->bit = 1;
	one->grid[1][2]++;
	tagged = read(one);
	return tagged & 1;
}

char _license[] IN("license") = "GPL";
