"""A day since 1970 as year, month and day of the Gregorian calendar, and whether the year has a leap day."""

from bpfvm import bpf, u32, u64


@bpf.function
def calendar(days: u32) -> u64:
    era, day = divmod(days + 719468, 146097)  # since 1 March of the year 0
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5 - 1
    month = month + 3 if month < 10 else month - 9
    year += era * 400 + (month <= 2)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return year << 32 | month << 16 | day << 8 | leap
