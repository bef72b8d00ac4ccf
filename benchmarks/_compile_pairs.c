/* The functions of _compile_pairs.py, as a C programmer writes them. What a caller gives and gets is one structure. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;
#define SEC(name) __attribute__((section(name), used))

struct two { u64 result, a, b; };
struct three { u64 result, a, b, c; };

SEC("syscall") int mixed(struct three *x)
{
	u32 a = x->a, b = x->b;
	u64 h = 14695981039346656037ull;

	for (int i = 0; i < 16; i++)
		h = (h ^ ((a >> i) & 255) ^ b) * 1099511628211ull;
	x->result = h + x->c;
	return 0;
}

SEC("syscall") int gcd(struct two *x)
{
	u32 a = x->a, b = x->b;

	for (int i = 0; i < 1000 && b; i++) {
		u32 rest = a % b;
		a = b;
		b = rest;
	}
	x->result = a;
	return 0;
}

SEC("syscall") int bucket(struct two *x)
{
	u32 size = x->a;
	u64 edge = 64;
	int found = 0;

	while (edge < size && found < 16) {
		edge *= 2;
		found++;
	}
	x->result = found * 100 + (size < 64 ? 1 : size > 1500 ? 2 : 3);
	return 0;
}

SEC("syscall") int clamp_sum(struct three *x)
{
	s64 total = 0;
	s32 low = x->a, high = x->b;

	for (int i = 0; i < 50; i++) {
		s64 step = (s32)x->c * i;
		if (step < low)
			step = low;
		else if (step > high)
			step = high;
		total += step;
	}
	x->result = total;
	return 0;
}

char text_of_license[] SEC("license") = "GPL";
