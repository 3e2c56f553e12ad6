"""Fit the churn models of an enterprise now, without waiting for Sunday."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import Community
from members.management.import_command import enterprise_named
from members.rules.model_notes import OUTCOMES


class Command(BaseCommand):
    help = "Fit churn coefficients for every community and for the enterprise, before --on (today)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--enterprise", help="slug; may be left out when there is only one")
        parser.add_argument("--on", type=date.fromisoformat, help="local day; default today")
        parser.add_argument("--json", action="store_true", help="one JSON object a community")

    def handle(self, *args: Any, **options: Any) -> None:
        from members.services.fitting_churn import (  # noqa: PLC0415 - loads SciPy
            fit_community,
            fit_pooled,
        )

        enterprise = enterprise_named(options["enterprise"])
        on = options["on"] or timezone.now().astimezone(enterprise.zone).date()
        communities = Community.objects.filter(enterprise=enterprise).select_related("enterprise")
        for community in communities.order_by("pk"):
            self.say(community.code, fit_community(community, on=on), **options)
        self.say("", fit_pooled(enterprise, on=on), **options)

    def say(self, code: str, fitted: Any, **options: Any) -> None:
        words = {
            "community": code,
            "outcome": fitted.outcome,
            "version": fitted.version,
            "rows": fitted.rows,
            "churners": fitted.churners,
        }
        if options["json"]:
            self.stdout.write(json.dumps(words))
            return
        name = code or _("全企业")
        text = OUTCOMES.get(fitted.outcome, fitted.outcome)
        sample = _("样本 %(rows)d 行，其中沉默 %(churners)d") % words
        self.stdout.write(f"{name}：{text} {fitted.version} {sample}")
