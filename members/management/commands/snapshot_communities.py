"""Make the daily snapshots of communities now, without waiting for the night."""

from __future__ import annotations

import json
import time
from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from members.management.import_command import enterprise_named
from members.services.snapshot_runs import Refreshed, refresh_community, remake_days
from scrm.accounts.models import Enterprise


class Command(BaseCommand):
    help = "Bring the daily snapshots of communities up to yesterday, or remake a range of days."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--enterprise", help="slug; may be left out when there is only one")
        parser.add_argument("--community", help="code; default all")
        parser.add_argument(
            "--from", dest="first", type=date.fromisoformat, help="first local day to remake"
        )
        parser.add_argument(
            "--to", dest="last", type=date.fromisoformat, help="last local day; default yesterday"
        )
        parser.add_argument("--json", action="store_true", help="the counts as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        enterprise = enterprise_named(options["enterprise"])
        yesterday = timezone.now().astimezone(enterprise.zone).date() - timedelta(days=1)
        first, last = options["first"], options["last"] or yesterday
        if last > yesterday or (first and first > last):
            raise CommandError(_("--to 最晚是昨天，--from 不能晚于 --to。"))
        results = self._refresh(enterprise, options["community"], first, last)
        words = {
            "until": last.isoformat(),
            "communities": len(results),
            "days": sum(result.days for result in results),
            "figures": sum(result.figures for result in results),
            "seconds": round(time.monotonic() - began, 3),
        }
        self.stdout.write(
            json.dumps(words)
            if options["json"]
            else _(
                "%(communities)d 个社群的日快照已更新到 %(until)s：%(days)d 天有变化，"
                "%(figures)d 天计算了指标，用时 %(seconds)s 秒。"
            )
            % words
        )

    def _refresh(
        self, enterprise: Enterprise, code: str | None, first: date | None, last: date
    ) -> list[Refreshed]:
        communities = enterprise.communities.select_related("enterprise").order_by("pk")
        if code:
            communities = communities.filter(code=code)
            if not communities.exists():
                raise CommandError(_("没有代码为 %(code)s 的社群。") % {"code": code})
        if first is None:
            return [refresh_community(community, until=last) for community in communities]
        return [remake_days(community, first=first, last=last) for community in communities]
