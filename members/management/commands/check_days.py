"""Compare days with the events and orders they were counted from."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from communities.models import Community
from members.management.import_command import enterprise_named
from members.services.checking_days import Checked, check_days, repair_days
from scrm.accounts.models import Enterprise

UNEQUAL = 1


class Command(BaseCommand):
    help = (
        "Compare the days of members, colleagues and purchases with events and orders, month by "
        "month. Ends with 1 where they are not equal."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--enterprise", help="slug; may be left out when there is only one")
        parser.add_argument("--community", help="code; without it the whole enterprise")
        parser.add_argument(
            "--repair", action="store_true", help="make wrong days anew, then compare again"
        )
        parser.add_argument("--json", action="store_true", help="the counts as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        enterprise = enterprise_named(options["enterprise"])
        community = community_named(enterprise, options["community"])
        checked = check_days(enterprise, community=community)
        repaired = 0
        if options["repair"] and _wrong(checked):
            repaired = repair_days(enterprise, community=community)
            checked = check_days(enterprise, community=community)
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(checked, repaired), ensure_ascii=False))
        else:
            self._tell(checked, repaired)
        if _wrong(checked):
            sys.exit(UNEQUAL)

    def _tell(self, checked: list[Checked], repaired: int) -> None:
        if repaired:
            self.stdout.write(_("改正了 %(count)d 行。") % {"count": repaired})
        for one in checked:
            words = {"table": _(one.title), "days": one.found.days, "wrong": one.found.wrong}
            if not one.found.wrong:
                self.stdout.write(_("%(table)s：%(days)d 行，与明细一致。") % words)
                continue
            text = _("%(table)s：%(days)d 行，其中 %(wrong)d 行与明细不一致，例如：")
            self.stdout.write(self.style.ERROR(text % words))
            for example in one.found.examples:
                self.stdout.write("  " + ", ".join(f"{k}={v}" for k, v in example.items()))
        if _wrong(checked):
            self.stdout.write(_("加 --repair 可按明细重算。"))


def community_named(enterprise: Enterprise, code: str | None) -> Community | None:
    if code is None:
        return None
    community = enterprise.communities.filter(code=code).first()
    if community is None:
        raise CommandError(_("没有代码为“%(code)s”的社群。") % {"code": code})
    return community


def _wrong(checked: list[Checked]) -> int:
    return sum(one.found.wrong for one in checked)


def _as_json(checked: list[Checked], repaired: int) -> dict[str, object]:
    tables = {
        one.name: {
            "days": one.found.days,
            "wrong": one.found.wrong,
            "examples": list(one.found.examples),
        }
        for one in checked
    }
    return {"is_equal": not _wrong(checked), "repaired": repaired, **tables}
