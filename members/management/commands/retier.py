"""Look at everybody's tiers now, without waiting for the night."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from communities.models import TierScheme
from members.management.import_command import enterprise_named
from members.services.tiering_runs import begin_tiering, continue_tiering

STEP = 60.0  # seconds of work between two looks at the run
PAUSE = 0.1


class Command(BaseCommand):
    help = "Give every member of an enterprise the tiers that the facts of this moment earn."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--enterprise", help="slug; may be left out when there is only one")
        parser.add_argument("--scheme", help="code of a scheme; without it, all of them")

    def handle(self, *args: Any, **options: Any) -> None:
        enterprise = enterprise_named(options["enterprise"])
        schemes = TierScheme.objects.filter(enterprise=enterprise).order_by("pk")
        if options["scheme"]:
            schemes = schemes.filter(code=options["scheme"])
            if not schemes:
                raise CommandError(_("没有代码为“%s”的分层方案。") % options["scheme"])
        for scheme in schemes:
            self.retier(scheme)

    def retier(self, scheme: TierScheme) -> None:
        began = time.monotonic()
        run = begin_tiering(scheme.pk)
        while run.finished_at is None:
            if continue_tiering(scheme.pk, day=run.day, budget=STEP):
                time.sleep(PAUSE)  # finished, or a worker is in the middle of a slice
            run.refresh_from_db()
        words = {
            "scheme": scheme.name,
            "members": run.member_count,
            "promoted": run.promoted_count,
            "demoted": run.demoted_count,
            "seconds": time.monotonic() - began,
        }
        told = _(
            "%(scheme)s：核对 %(members)d 位成员，%(promoted)d 位升级，%(demoted)d 位降级，"
            "用时 %(seconds).1f 秒。"
        )
        self.stdout.write(told % words)
