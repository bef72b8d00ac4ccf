/* Every kernel function on texts: what the context says is done with texts of the context, or at other addresses. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int bpf_strcmp(const char *s1, const char *s2) __ksym;
extern int bpf_strcasecmp(const char *s1, const char *s2) __ksym;
extern int bpf_strchr(const char *s, char c) __ksym;
extern int bpf_strnchr(const char *s, unsigned long count, char c) __ksym;
extern int bpf_strchrnul(const char *s, char c) __ksym;
extern int bpf_strrchr(const char *s, int c) __ksym;
extern int bpf_strlen(const char *s) __ksym;
extern int bpf_strnlen(const char *s, unsigned long count) __ksym;
extern int bpf_strspn(const char *s, const char *accept) __ksym;
extern int bpf_strcspn(const char *s, const char *reject) __ksym;
extern int bpf_strstr(const char *s1, const char *s2) __ksym;
extern int bpf_strnstr(const char *s1, const char *s2, unsigned long length) __ksym;

struct asked {
	__u64 what, address, count, result;
	char first[64], second[32];
};

SEC("syscall")
int texts(struct asked *asked)
{
	const char *first = asked->address ? (const char *)asked->address : asked->first;
	const char *second = asked->second;
	unsigned long count = asked->count;
	int result = 0;

	switch (asked->what) {
	case 0: result = bpf_strcmp(first, second); break;
	case 1: result = bpf_strcasecmp(first, second); break;
	case 2: result = bpf_strchr(first, count); break;
	case 3: result = bpf_strnchr(first, count >> 8, count); break;
	case 4: result = bpf_strchrnul(first, count); break;
	case 5: result = bpf_strrchr(first, count); break;
	case 6: result = bpf_strlen(first); break;
	case 7: result = bpf_strnlen(first, count); break;
	case 8: result = bpf_strspn(first, second); break;
	case 9: result = bpf_strcspn(first, second); break;
	case 10: result = bpf_strstr(first, second); break;
	case 11: result = bpf_strnstr(first, second, count); break;
	}
	asked->result = result;
	return 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
