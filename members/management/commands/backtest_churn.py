"""What the churn scores of a community would have been worth in the past."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import Community
from members.management.import_command import enterprise_named

WEEKS = 26


class Command(BaseCommand):
    help = "Score past Mondays as they would have been scored, and keep how right that was."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--community", required=True, help="its code")
        parser.add_argument("--enterprise", help="slug; may be left out when there is only one")
        parser.add_argument("--weeks", type=int, default=WEEKS, help=f"default {WEEKS}")
        parser.add_argument("--on", type=date.fromisoformat, help="local day; default today")
        parser.add_argument("--json", action="store_true", help="the figures as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        from members.services.backtesting import backtest_churn  # noqa: PLC0415 - loads SciPy

        enterprise = enterprise_named(options["enterprise"])
        communities = Community.objects.filter(enterprise=enterprise, code=options["community"])
        community = communities.select_related("enterprise").first()
        if community is None:
            raise CommandError(_("没有代码为“%(code)s”的社群。") % {"code": options["community"]})
        on = options["on"] or timezone.now().astimezone(enterprise.zone).date()
        result = backtest_churn(community, weeks=options["weeks"], on=on)
        if options["json"]:
            found = {"weeks": len(result.checks), **result.overall, "warnings": result.warnings}
            self.stdout.write(json.dumps(found))
        elif not result.checks:
            self.stdout.write(_("这段时间没有可核对的周：社群没有被完整地观察到。"))
        else:
            self.stdout.write(self.summary(result))

    def summary(self, result: Any) -> str:
        figures, warnings = result.overall, result.warnings
        words = {
            "weeks": len(result.checks),
            "auc": said(figures["auc"]),
            "silence": said(figures["silence_auc"]),
            "brier": said(figures["brier"]),
            "lift": said(figures["at_10"]["lift"]),
            "plain": said(figures["silence_at_10"]["lift"]),
            "caught": said(warnings["caught"]),
            "notice": said(warnings["notice_days"]),
            "precision": said(warnings["precision"]),
        }
        return (
            _(
                "%(weeks)d 周：AUC %(auc)s（只看沉默天数 %(silence)s），Brier %(brier)s，"
                "前 10%% 提升 %(lift)s（只看沉默天数 %(plain)s）。"
                "每周预警风险最高的 20%%：提前 14 天以上发现 %(caught)s，"
                "提前天数中位数 %(notice)s，预警正确 %(precision)s。"
            )
            % words
        )


def said(value: float | None) -> str:
    return "—" if value is None else f"{value:.3g}"
