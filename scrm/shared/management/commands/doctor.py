from __future__ import annotations

import json
import os
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation

from scrm.shared.diagnosis import Result, Status, diagnose

WORDS = {
    Status.OK: ("OK  ", "OK     "),
    Status.WARNING: ("提醒", "WARNING"),
    Status.FAILED: ("失败", "FAILED "),
}


class Command(BaseCommand):
    help = "Check this installation and say how to fix what is wrong. Prints no secrets."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="for programs")

    def handle(self, *args: object, as_json: bool, **options: object) -> None:
        english = os.environ.get("LC_ALL", os.environ.get("LANG", "")).startswith("en")
        with translation.override("en" if english else "zh-hans"):
            results = diagnose()
        if as_json:
            self.stdout.write(json.dumps({"checks": [as_dict(each) for each in results]}))
        else:
            for each in results:
                self.show(each, english=english)
        failures = sum(each.finding.status == Status.FAILED for each in results)
        if failures:
            raise CommandError(f"{failures} / {len(results)} failed", returncode=1)

    def show(self, result: Result, *, english: bool) -> None:
        finding = result.finding
        style = {
            Status.OK: self.style.SUCCESS,
            Status.WARNING: self.style.WARNING,
            Status.FAILED: self.style.ERROR,
        }[finding.status]
        self.stdout.write(
            f"{style(WORDS[finding.status][english])} {finding.title}: {finding.detail}"
        )
        if finding.fix:
            self.stdout.write(f"       → {finding.fix}")


def as_dict(result: Result) -> dict[str, str]:
    finding = result.finding
    return {
        "name": result.name,
        "status": finding.status.value,
        "title": finding.title,
        "detail": finding.detail,
        "fix": finding.fix,
    }
