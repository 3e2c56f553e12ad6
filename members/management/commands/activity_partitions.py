"""The months of activity events: which there are, and taking old ones out."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from members.models import DetachedMonth
from members.services.detaching import detach_before, detach_by_policy, months_of_events
from members.services.partitions import ensure_partitions_ahead


def month_named(text: str) -> date:
    return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007 - a month has no zone


class Command(BaseCommand):
    help = "List the months of activity events, make the next ones, or detach old ones."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--list", action="store_true", help="what there is (the default)")
        what.add_argument("--ahead", action="store_true", help="make this month and the next two")
        what.add_argument(
            "--detach-before",
            metavar="YYYY-MM",
            type=month_named,
            help="detach every month before this one; their days stay, their tables too",
        )
        what.add_argument(
            "--by-policy", action="store_true", help="detach what SCRM_ACTIVITY_KEEP_MONTHS lets go"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["ahead"]:
            made = ensure_partitions_ahead(now)
            self.stdout.write(_("新建了 %(count)d 个月份。") % {"count": made})
        elif options["detach_before"]:
            self._tell_gone(detach_before(options["detach_before"], now=now))
        elif options["by_policy"]:
            self._tell_gone(detach_by_policy(now))
        else:
            self._list(now)

    def _list(self, now: datetime) -> None:
        for month in months_of_events(now):
            words = {
                "month": f"{month.month:%Y-%m}",
                "count": month.event_count,
                "size": month.size / 1024**2,
                "note": _("可分离") if month.is_detachable else "",
            }
            line = _("%(month)s  约 %(count)d 条  %(size).1f MB  %(note)s") % words
            self.stdout.write(line.rstrip())
        gone = DetachedMonth.objects.order_by("month").values_list("month", flat=True)
        if gone:
            names = "、".join(f"{month:%Y-%m}" for month in gone)
            self.stdout.write(_("已分离：%(months)s") % {"months": names})

    def _tell_gone(self, gone: list[date]) -> None:
        if not gone:
            raise CommandError(
                _("没有可以分离的月份：本月和之前 3 个月总是保留，正在读取的月份请稍后再试。")
            )
        for month in gone:
            words = {"month": f"{month:%Y-%m}", "table": f"members_activityevent_{month:%Y%m}"}
            self.stdout.write(
                _("%(month)s 已分离，明细在表 %(table)s：可以用 pg_dump 归档后删除。") % words
            )
