"""On which day a festival falls: by the sun, by the moon, or by a term of the solar year.

Lunar dates are of regular months only: what falls in the fifth month does not come again in a leap
fifth month. The eve of the Spring Festival is the day before it, for the twelfth month has 29 or 30
days. A date of the twelfth month falls in January or February of the next year and may miss a
Gregorian year or come twice in one.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from itertools import chain

from campaigns.rules.schedules import Festival

ONE_DAY = timedelta(days=1)
SUNDAY = 6

#: month and day of every year
FIXED = {
    Festival.NEW_YEAR: (1, 1),
    Festival.VALENTINE: (2, 14),
    Festival.WOMENS_DAY: (3, 8),
    Festival.LABOUR_DAY: (5, 1),
    Festival.CHILDRENS_DAY: (6, 1),
    Festival.SHOPPING_618: (6, 18),
    Festival.TEACHERS_DAY: (9, 10),
    Festival.NATIONAL_DAY: (10, 1),
    Festival.DOUBLE_11: (11, 11),
    Festival.DOUBLE_12: (12, 12),
    Festival.CHRISTMAS: (12, 25),
}

#: month and day of every lunar year
LUNAR = {
    Festival.SPRING_FESTIVAL: (1, 1),
    Festival.LANTERN: (1, 15),
    Festival.DRAGON_BOAT: (5, 5),
    Festival.QIXI: (7, 7),
    Festival.MID_AUTUMN: (8, 15),
    Festival.DOUBLE_NINTH: (9, 9),
    Festival.LABA: (12, 8),
    Festival.LITTLE_NEW_YEAR: (12, 23),
}

#: month and which Sunday of it
SUNDAYS = {Festival.MOTHERS_DAY: (5, 2), Festival.FATHERS_DAY: (6, 3)}

#: terms of the solar year as ``lunar_python`` names them
SOLAR_TERMS = {Festival.QINGMING: "清明", Festival.WINTER_SOLSTICE: "DONG_ZHI"}


@lru_cache(maxsize=4096)
def festival_days(festival: str, year: int) -> tuple[date, ...]:
    """The days of a Gregorian year on which the festival falls: one, rarely none or two."""
    if festival in FIXED:
        return (date(year, *FIXED[Festival(festival)]),)
    if festival in SUNDAYS:
        return (_nth_sunday(year, *SUNDAYS[Festival(festival)]),)
    if festival in SOLAR_TERMS:
        return (_solar_term(year, SOLAR_TERMS[Festival(festival)]),)
    if festival == Festival.SPRING_FESTIVAL_EVE:
        return (_lunar_day(year, 1, 1) - ONE_DAY,)
    month, day = LUNAR[Festival(festival)]
    found = (_lunar_day(lunar_year, month, day) for lunar_year in (year - 1, year))
    return tuple(day for day in found if day.year == year)


def days_of(festivals: tuple[str, ...], year: int) -> list[date]:
    """The days of the year on which any of these falls, in order."""
    return sorted(set(chain.from_iterable(festival_days(one, year) for one in festivals)))


def _nth_sunday(year: int, month: int, which: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(SUNDAY - first.weekday()) % 7, weeks=which - 1)


def _lunar_day(year: int, month: int, day: int) -> date:
    from lunar_python import Lunar  # noqa: PLC0415 - only calendars of festivals need it

    solar = Lunar.fromYmd(year, month, day).getSolar()
    return date(solar.getYear(), solar.getMonth(), solar.getDay())


def _solar_term(year: int, name: str) -> date:
    from lunar_python import Lunar  # noqa: PLC0415 - likewise

    solar = Lunar.fromYmd(year, 6, 1).getJieQiTable()[name]
    return date(solar.getYear(), solar.getMonth(), solar.getDay())
