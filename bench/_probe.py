"""The harness measuring itself: rows by COPY against rows by INSERT. Run by its test only."""

from __future__ import annotations

from django.db import connection

from bench.harness import Case

SIZE = 10_000


class Rows:
    most: int | None = None
    name = "limit"

    def prepare(self, size: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS bench_probe; CREATE TABLE bench_probe (n bigint)")

    def run(self, size: int) -> int:
        with connection.cursor() as cursor, cursor.copy("COPY bench_probe FROM STDIN") as copy:
            for number in range(size):
                copy.write_row([number])
        return size

    def verify(self, size: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM bench_probe")
            assert cursor.fetchone()[0] == size

    def clean(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS bench_probe")


class OneByOne(Rows):
    name = "ours"

    def run(self, size: int) -> int:
        with connection.cursor() as cursor:
            for number in range(size):
                cursor.execute("INSERT INTO bench_probe VALUES (%s)", [number])
        return size


class Few(OneByOne):
    name = "peer:few"
    most: int | None = 100


def cases() -> list[Case]:
    return [Rows(), OneByOne(), Few()]
