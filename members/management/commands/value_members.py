"""Value the members of an enterprise now, without waiting for the night."""

from __future__ import annotations

import json
import time
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from members.management.import_command import enterprise_named
from members.rules.model_notes import note_in_words
from members.rules.rfm import RfmBasis
from members.services.values import ValueResult, value_enterprise


class Command(BaseCommand):
    help = "RFM, behaviour and expected value of every member, from the days before --on (today)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--enterprise", help="slug; may be left out when there is only one")
        parser.add_argument("--on", type=date.fromisoformat, help="local day; default today")
        parser.add_argument("--json", action="store_true", help="the result as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        enterprise = enterprise_named(options["enterprise"])
        on = options["on"] or timezone.now().astimezone(enterprise.zone).date()
        result = value_enterprise(enterprise, on=on)
        if options["json"]:
            seconds = round(time.monotonic() - began, 3)
            self.stdout.write(json.dumps(_as_json(result, on=on, seconds=seconds)))
            return
        words = {
            "on": on.isoformat(),
            "valued": result.valued,
            "unconsented": result.unconsented,
            "basis": RfmBasis(result.basis).label,
            "model": result.model.version if result.model else _("无（还没有人购买）"),
        }
        self.stdout.write(
            _(
                "%(on)s：%(valued)d 位成员已估值（RFM %(basis)s，价值模型 %(model)s）；"
                "%(unconsented)d 位没有同意画像，未估值。"
            )
            % words
        )
        if result.unconsented and enterprise.profiling_needs_consent:
            self.stdout.write(
                _("画像需要成员同意：登记他们对“画像”的同意，或在企业设置里改为不需要。")
            )
        for note in result.model.notes if result.model else []:
            self.stdout.write(note_in_words(note))


def _as_json(result: ValueResult, *, on: date, seconds: float) -> dict[str, object]:
    model = result.model
    return {
        "valued_on": on.isoformat(),
        "members": result.valued,
        "unconsented": result.unconsented,
        "rfm": result.basis,
        "currency": result.currency,
        "model": model.version if model else None,
        "parameters": model.parameters if model else None,
        "figures": model.figures if model else None,
        "notes": [note["code"] for note in model.notes] if model else [],
        "seconds": seconds,
    }
