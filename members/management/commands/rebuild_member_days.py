"""Recount days from events and orders."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from members.management.import_command import enterprise_named
from members.services.rebuilding import rebuild_member_days, rebuild_purchase_days


class Command(BaseCommand):
    help = "Recount days from events and orders. Where nothing is wrong, nothing is written."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--enterprise", help="slug; may be left out when there is only one")
        parser.add_argument("--community", help="code; without it every community")
        parser.add_argument("--from", dest="first", type=date.fromisoformat, help="first local day")
        parser.add_argument("--to", dest="last", type=date.fromisoformat, help="last local day")
        parser.add_argument("--json", action="store_true", help="the counts as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        enterprise = enterprise_named(options["enterprise"])
        communities = enterprise.communities.select_related("enterprise").order_by("pk")
        if options["community"]:
            communities = communities.filter(code=options["community"])
            if not communities:
                words = {"code": options["community"]}
                raise CommandError(_("没有代码为“%(code)s”的社群。") % words)
        days, written = 0, 0
        for community in communities:
            recount = rebuild_member_days(community, first=options["first"], last=options["last"])
            days, written = days + recount.days, written + recount.written
        if not options["community"]:
            recount = rebuild_purchase_days(
                enterprise, first=options["first"], last=options["last"]
            )
            days, written = days + recount.days, written + recount.written
        if options["json"]:
            self.stdout.write(json.dumps({"days": days, "written": written}))
        else:
            words = {"days": days, "written": written}
            self.stdout.write(_("重算了 %(days)d 个日汇总，改正 %(written)d 个。") % words)
