"""Score the members of an enterprise now, without waiting for the night."""

from __future__ import annotations

import json
import time
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from members.management.import_command import enterprise_named
from members.services.scoring import score_enterprise

UNCONSENTED = gettext_lazy(
    "%(unconsented)d 位在群成员没有“画像与评分”授权，未评分。请先登记授权（导入时可用 "
    "--consent-profiling），或由管理员在企业设置里改为默认允许。"
)


class Command(BaseCommand):
    help = "Score how likely members are to fall silent, from the days before --on (today)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--enterprise", help="slug; may be left out when there is only one")
        parser.add_argument("--on", type=date.fromisoformat, help="local day; default today")
        parser.add_argument("--json", action="store_true", help="the counts as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        enterprise = enterprise_named(options["enterprise"])
        on = options["on"] or timezone.now().astimezone(enterprise.zone).date()
        results = score_enterprise(enterprise, on=on)
        words = {
            "scored_on": on.isoformat(),
            "communities": sum(result.is_measured for result in results),
            "unmeasured": sum(not result.is_measured for result in results),
            "members": sum(result.scored for result in results),
            "unconsented": sum(result.unconsented for result in results),
            "seconds": round(time.monotonic() - began, 3),
        }
        if options["json"]:
            self.stdout.write(json.dumps(words))
        else:
            self.stdout.write(
                _(
                    "%(scored_on)s：%(communities)d 个社群的 %(members)d 位成员已评分；"
                    "%(unmeasured)d 个社群没有数据覆盖，未评分。"
                )
                % words
            )
            if words["unconsented"]:
                self.stdout.write(UNCONSENTED % words)
