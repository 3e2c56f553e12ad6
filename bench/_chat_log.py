"""Turn daily counts of a chat into a file of activity: for looking at the product with real rhythm.

    python -m bench._chat_log USER_DAYS.csv.gz HOURS.csv OUT.csv [--community lean] [--until DAY]
    ./manage.py import_activity --create-members --source chat ... OUT.csv

USER_DAYS has the columns day (a number), user, msgs and topics; HOURS a row for each weekday from
Monday and a column for each hour. Every message becomes an event: its hour is drawn by the weight
of the hours of its weekday, its minute evenly, both with a fixed seed; the messages of a person
and a day are spread over as many threads as the log says. Days and hours are local ones. The last
day of the file is ``--until`` (yesterday), and so that weekdays stay weekdays, up to six days at
the end of the log are left out.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

SEED = 20260101
COLUMNS = ("member", "community", "kind", "occurred_at", "dedupe_key", "thread")
WEEK = 7


class UserDay(NamedTuple):
    day: int
    user: int
    messages: int
    topics: int


def read_days(path: Path) -> list[UserDay]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        days = [
            UserDay(int(row["day"]), int(row["user"]), int(row["msgs"]), int(row["topics"]))
            for row in rows
        ]
    return sorted(days)


def read_hours(path: Path) -> list[list[float]]:
    """Weights of the 24 hours of each weekday, Monday first."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return [[float(weight) for weight in row[1:]] for row in rows]


def first_monday(days: list[UserDay]) -> int:
    """Which of the first seven days is a Monday: the two quietest days in a row are a weekend."""
    totals: dict[int, int] = defaultdict(int)
    for row in days:
        totals[row.day % WEEK] += row.messages
    saturday = min(range(WEEK), key=lambda day: totals[day] + totals[(day + 1) % WEEK])
    return (saturday + 2) % WEEK


def dates_of(days: list[UserDay], until: date) -> dict[int, date]:
    """The date of each day of the log that is kept: the last of them falls on ``until``."""
    monday, last = first_monday(days), days[-1].day
    last -= (last - monday - until.weekday()) % WEEK
    return {day: until - timedelta(days=last - day) for day in range(days[0].day, last + 1)}


def events(
    days: list[UserDay], hours: list[list[float]], *, until: date, community: str, zone: ZoneInfo
) -> Iterator[tuple[str, ...]]:
    """The rows of the file, in the order of time."""
    random = Random(SEED)
    dates = dates_of(days, until)
    for day, rows in groupby(days, key=lambda row: row.day):
        if day in dates:
            yield from sorted(
                (
                    event
                    for row in rows
                    for event in of_user(
                        row, datetime.combine(dates[day], time(), zone), hours, random, community
                    )
                ),
                key=itemgetter(3),
            )


def of_user(
    row: UserDay, day: datetime, hours: list[list[float]], random: Random, community: str
) -> Iterator[tuple[str, ...]]:
    topics = max(1, min(row.topics, row.messages))
    offset = random.randrange(3)
    drawn = random.choices(range(24), weights=hours[day.weekday()], k=row.messages)
    for number, hour in enumerate(sorted(drawn)):
        moment = day.replace(hour=hour, minute=random.randrange(60), second=random.randrange(60))
        yield (
            f"user-{row.user}",
            community,
            "message",
            moment.isoformat(),
            f"{row.day}-{row.user}-{number}",
            f"{row.day}-{offset + number % topics}",
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench._chat_log",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("user_days", type=Path)
    parser.add_argument("hours", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--community", default="lean", help="the code of the community")
    parser.add_argument("--until", type=date.fromisoformat, help="the last day; yesterday")
    parser.add_argument("--zone", type=ZoneInfo, default=ZoneInfo("Asia/Shanghai"))
    options = parser.parse_args()
    until = options.until or datetime.now(options.zone).date() - timedelta(days=1)
    count = 0
    with options.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        rows = events(
            read_days(options.user_days),
            read_hours(options.hours),
            until=until,
            community=options.community,
            zone=options.zone,
        )
        for row in rows:
            writer.writerow(row)
            count += 1
    print(f"{count} events until {until} in {options.out}")


if __name__ == "__main__":
    main()
