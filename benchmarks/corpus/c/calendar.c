/* A day since 1970 as year, month and day of the Gregorian calendar, and whether the year has a leap day. */
#include "corpus.h"

SEC("syscall")
int calendar(struct call *call)
{
	u64 days = (u32)call->arguments[0] + 719468ULL; /* since 1 March of the year 0 */
	u32 era = days / 146097, day = days % 146097;
	u32 year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	u32 of_year = day - (365 * year + year / 4 - year / 100);
	u32 month = (5 * of_year + 2) / 153;
	bool leap;

	day = of_year - (153 * month + 2) / 5 + 1;
	month = month < 10 ? month + 3 : month - 9;
	year += era * 400 + (month <= 2);
	leap = !(year % 4) && (year % 100 || !(year % 400));
	call->result = (u64)year << 32 | month << 16 | day << 8 | leap;
	return 0;
}

LICENSE;
