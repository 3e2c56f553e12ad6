"""When schedules give their next times: by rules, festivals, working days and changing clocks."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.rules.festivals import days_of, festival_days
from campaigns.rules.recurrence import Rule, instant_of, next_times, rrule_trouble
from campaigns.rules.schedules import DayRule, Festival, ScheduleKind
from campaigns.rules.working_days import WorkCalendar

CHINA = WorkCalendar()
NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)  # Monday, 10:00 in Shanghai
ZONES = ["Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"]


def rule(kind=ScheduleKind.RECURRING, **values):
    return Rule(**{"kind": kind, "local_time": time(10), **values})


def local_times(one, after=NOW, *, calendar=CHINA, **values):
    times = next_times(one, after, calendar=calendar, **values)
    return [time.astimezone(one.zone).strftime("%m-%d %H:%M") for time in times]


def local(text):
    return datetime.fromisoformat(text)


def test_a_rule_gives_its_next_five_times():
    weekly = rule(rrule="FREQ=WEEKLY;BYDAY=MO,TH", starts_on=date(2026, 1, 1))

    assert local_times(weekly) == [
        "11-26 10:00",
        "11-30 10:00",
        "12-03 10:00",
        "12-07 10:00",
        "12-10 10:00",
    ]


def test_every_other_week_keeps_its_phase_over_the_years():
    fortnightly = rule(rrule="FREQ=WEEKLY;INTERVAL=2;BYDAY=WE", starts_on=date(2001, 1, 3))
    weeks = (date(2026, 11, 25) - date(2001, 1, 3)).days // 7

    (first,) = local_times(fortnightly, count=1)

    assert first == ("11-25 10:00" if weeks % 2 == 0 else "12-02 10:00")


def test_several_hours_of_a_day_are_several_times():
    twice = rule(rrule="FREQ=DAILY;BYHOUR=8,20", starts_on=date(2026, 1, 1), local_time=time(0, 30))

    assert local_times(twice, count=3) == ["11-23 20:30", "11-24 08:30", "11-24 20:30"]


def test_it_begins_and_ends_when_it_should():
    daily = rule(
        rrule="FREQ=DAILY", starts_on=date(2026, 11, 30), ends_on=date(2026, 12, 3), remaining=3
    )

    assert local_times(daily) == ["11-30 10:00", "12-01 10:00", "12-02 10:00"]


def test_what_never_happens_has_no_times():
    assert local_times(rule(rrule="FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")) == []


@pytest.mark.parametrize(
    "rrule",
    [
        "",
        "每天",
        "FREQ=HOURLY",
        "FREQ=SECONDLY",
        "FREQ=DAILY;COUNT=3",
        "FREQ=DAILY;UNTIL=20270101",
        "FREQ=DAILY;BYDAY=XX",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;INTERVAL=99999999",
        "FREQ=DAILY;BYHOUR=99",
        "FREQ=DAILY;=",
        "FREQ=DAILY\nRRULE:FREQ=SECONDLY",
        "FREQ=DAILY;DTSTART=20260101",
        "FREQ=MONTHLY;BYSETPOS=0",
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused_in_words(rrule):
    assert rrule_trouble(rrule)


def test_rules_that_can_be_followed_are_taken():
    for rrule in ("FREQ=DAILY", "freq=monthly;byday=2MO", "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=-1"):
        assert not rrule_trouble(rrule)


@given(st.text(alphabet="FREQ=DAILYWKBYMO;,0123456789-+ ", max_size=60))
@settings(max_examples=40, deadline=None)
def test_no_text_breaks_the_reading_of_rules(text):
    if not rrule_trouble(f"FREQ=WEEKLY;{text}"):
        next_times(rule(rrule=f"FREQ=WEEKLY;{text}"), NOW, count=1, calendar=CHINA)


# changing clocks


def test_a_skipped_hour_counts_right_after_the_gap():
    berlin = ZoneInfo("Europe/Berlin")

    assert instant_of(local("2026-03-29 02:30"), berlin) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    daily = rule(
        rrule="FREQ=DAILY",
        starts_on=date(2026, 3, 1),
        local_time=time(2, 30),
        time_zone="Europe/Berlin",
    )
    after = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert local_times(daily, after, count=2) == ["03-29 03:00", "03-30 02:30"]


def test_a_repeated_hour_counts_once_at_the_first():
    berlin = ZoneInfo("Europe/Berlin")

    first = instant_of(local("2026-10-25 02:30"), berlin)
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    daily = rule(
        rrule="FREQ=DAILY",
        starts_on=date(2026, 3, 1),
        local_time=time(2, 30),
        time_zone="Europe/Berlin",
    )
    assert local_times(daily, first, count=1) == ["10-26 02:30"]


def test_hours_that_the_gap_makes_one_are_one():
    hourly = rule(
        rrule="FREQ=DAILY;BYHOUR=1,2,3",
        starts_on=date(2026, 3, 1),
        local_time=time(0),
        time_zone="Europe/Berlin",
    )
    after = datetime(2026, 3, 28, 12, tzinfo=UTC)

    assert local_times(hourly, after, count=3) == ["03-29 01:00", "03-29 03:00", "03-30 01:00"]


@given(
    zone=st.sampled_from(ZONES),
    day=st.dates(date(2000, 1, 1), date(2037, 12, 1)),
    at=st.times().map(lambda one: one.replace(second=0, microsecond=0)),
)
@settings(max_examples=60, deadline=None)
def test_a_daily_time_comes_once_on_every_local_day_whatever_the_clocks_do(zone, day, at):
    daily = rule(rrule="FREQ=DAILY", starts_on=day, local_time=at, time_zone=zone)
    midnight = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)

    times = next_times(daily, midnight - timedelta(seconds=1), count=20, calendar=CHINA)

    days = [time.astimezone(ZoneInfo(zone)).date() for time in times]
    assert days == [day + timedelta(days=n) for n in range(20)]


@given(
    zone=st.sampled_from(ZONES),
    change=st.sampled_from(["2026-03-08", "2026-11-01", "2026-04-05", "2026-10-04"]),
    minutes=st.integers(0, 36 * 60),
)
@settings(max_examples=60, deadline=None)
def test_asking_from_any_moment_gives_the_same_times(zone, change, minutes):
    """Whoever asks again after each time, or from anywhere between, never skips or repeats one."""
    starts_on = date.fromisoformat(change) - timedelta(days=1)
    hours = ",".join(map(str, range(24)))
    hourly = rule(
        rrule=f"FREQ=DAILY;BYHOUR={hours}",
        starts_on=starts_on,
        local_time=time(0, 30),
        time_zone=zone,
    )
    start = datetime.combine(starts_on, time(), ZoneInfo(zone)).astimezone(UTC)
    whole = next_times(hourly, start, count=80, calendar=CHINA)
    asked = start + timedelta(minutes=minutes)

    assert whole == sorted(set(whole))
    expected = [time for time in whole if time > asked][:10]
    assert next_times(hourly, asked, count=10, calendar=CHINA) == expected
    one_by_one = []
    while len(one_by_one) < 10:
        asked = next_times(hourly, asked, count=1, calendar=CHINA)[0]
        one_by_one.append(asked)
    assert one_by_one == expected


# festivals and working days


@pytest.mark.parametrize(
    ("festival", "day"),
    [
        (Festival.SPRING_FESTIVAL, "2026-02-17"),
        (Festival.SPRING_FESTIVAL_EVE, "2026-02-16"),
        (Festival.SPRING_FESTIVAL_EVE, "2025-01-28"),  # the 29th of a short twelfth month
        (Festival.LANTERN, "2026-03-03"),
        (Festival.QINGMING, "2026-04-05"),
        (Festival.DRAGON_BOAT, "2020-06-25"),  # a leap fourth month comes before it
        (Festival.DRAGON_BOAT, "2009-05-28"),  # and here a leap fifth after it
        (Festival.MID_AUTUMN, "2025-10-06"),  # a leap sixth month
        (Festival.SPRING_FESTIVAL, "2034-02-19"),  # after a leap eleventh month
        (Festival.QIXI, "2026-08-19"),
        (Festival.DOUBLE_NINTH, "2026-10-18"),
        (Festival.LABA, "2026-01-26"),
        (Festival.LITTLE_NEW_YEAR, "2026-02-10"),
        (Festival.WINTER_SOLSTICE, "2026-12-22"),
        (Festival.MOTHERS_DAY, "2026-05-10"),
        (Festival.FATHERS_DAY, "2026-06-21"),
        (Festival.DOUBLE_11, "2026-11-11"),
    ],
)
def test_festivals_fall_where_the_almanac_has_them(festival, day):
    day = date.fromisoformat(day)

    assert festival_days(festival, day.year) == (day,)


def test_festivals_agree_with_an_independent_calendar_for_sixty_years():
    names = {
        Festival.SPRING_FESTIVAL: "春节",
        Festival.QINGMING: "清明节",
        Festival.DRAGON_BOAT: "端午节",
        Festival.MID_AUTUMN: "中秋节",
    }
    for year in range(2027, 2087, 4):  # nothing is moved in years that are not announced
        public = holidays.country_holidays("CN", years=[year])
        for festival, name in names.items():
            listed = [day for day, words in public.items() if name in words and "补" not in words]
            assert festival_days(festival, year)[0] in listed, (year, name)


def test_a_festival_of_the_twelfth_month_may_miss_a_year_or_come_twice():
    laba = [day for year in range(2000, 2040) for day in festival_days(Festival.LABA, year)]

    assert len(laba) in {39, 40, 41}
    gaps = {(later - day).days for day, later in pairwise(laba)}
    assert gaps <= {353, 354, 355, 383, 384, 385}


def test_every_festival_falls_on_some_day_of_any_two_years():
    for year in (1950, 2033):
        for festival in Festival:
            assert days_of((festival,), year) + days_of((festival,), year + 1)


def test_days_before_a_festival_are_sent_across_the_new_year():
    eve = rule(ScheduleKind.FESTIVAL, festivals=("new_year", "spring_festival"), day_offset=-3)

    assert local_times(eve, count=3) == ["12-29 10:00", "02-03 10:00", "12-29 10:00"]


def test_make_up_days_are_worked_and_public_holidays_are_not():
    assert CHINA.is_working_day(date(2026, 2, 14))  # a Saturday worked for the Spring Festival
    assert not CHINA.is_working_day(date(2026, 2, 18))  # a Wednesday
    assert not CHINA.is_working_day(date(2026, 2, 22))
    assert CHINA.is_working_day(date(2026, 2, 24))


def test_an_enterprise_knows_better():
    own = WorkCalendar({date(2026, 11, 24): False, date(2026, 11, 28): True})
    daily = rule(rrule="FREQ=DAILY", day_rule=DayRule.WORKING_DAYS)

    assert local_times(daily, calendar=own)[:4] == [
        "11-25 10:00",
        "11-26 10:00",
        "11-27 10:00",
        "11-28 10:00",
    ]


def test_working_days_rest_days_and_the_next_working_day():
    payday = rule(ScheduleKind.MEMBER_DAY, member_day=31, day_rule=DayRule.NEXT_WORKING_DAY)
    weekend = rule(rrule="FREQ=DAILY", day_rule=DayRule.REST_DAYS)

    assert local_times(payday, count=3) == ["11-30 10:00", "12-31 10:00", "02-01 10:00"]
    assert local_times(weekend, count=2) == ["11-28 10:00", "11-29 10:00"]


def test_what_moves_to_the_same_working_day_is_one():
    daily = rule(rrule="FREQ=DAILY", day_rule=DayRule.NEXT_WORKING_DAY, starts_on=date(2026, 9, 1))
    after = datetime(2026, 9, 30, 12, tzinfo=UTC)  # a week of rest begins

    assert local_times(daily, after, count=2) == ["10-08 10:00", "10-09 10:00"]


def test_years_that_nobody_has_announced_are_said_so_and_break_nothing():
    assert CHINA.knows(2026)
    assert not CHINA.knows(2030)
    assert not CHINA.knows(2500)
    assert CHINA.is_working_day(date(2500, 1, 4))
    assert WorkCalendar({date(2030, 2, 9): True}).knows(2030)
    assert CHINA.unknown_among([date(2026, 1, 1), date(2031, 1, 1), date(2030, 1, 1)]) == [
        2030,
        2031,
    ]


def test_facts_are_looked_for_every_day():
    assert local_times(rule(ScheduleKind.BIRTHDAY), count=2) == ["11-24 10:00", "11-25 10:00"]
