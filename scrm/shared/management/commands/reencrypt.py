from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from scrm.shared.reencryption import encrypted_columns, renew, survey


class Command(BaseCommand):
    help = (
        "Write every encrypted value again under the newest of SCRM_PII_KEYS. Put the new key"
        " first, restart every process, then run this; it may run while people work, and again"
        " after it was stopped. Keep the last key in its place even then: digests come from it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing; only count")

    def handle(self, *args: object, check: bool, **options: object) -> None:
        columns = [(survey if check else renew)(column) for column in encrypted_columns()]
        for column in columns:
            self.stdout.write(
                f"{column.name}: {column.current} current, {column.rewritten} rewritten,"
                f" {column.left} left, {column.unreadable_count} unreadable"
            )
            if column.unreadable:
                ids = ", ".join(str(pk) for pk in column.unreadable)
                self.stdout.write(f"  none of the keys opens: {ids}")
        self.complain(
            left=sum(column.left for column in columns),
            unreadable=sum(column.unreadable_count for column in columns),
        )

    def complain(self, *, left: int, unreadable: int) -> None:
        if unreadable:
            raise CommandError(
                f"{unreadable} values cannot be read. Put the key they were written with back"
                " into SCRM_PII_KEYS, and run this again.",
                returncode=2,
            )
        if left:
            raise CommandError(
                f"{left} values are not under the newest key. Run: manage.py reencrypt"
            )
