from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from scrm.shared.catalogues import compile_catalogues, gaps, update_catalogue

LANGUAGES = ("en", "zh_Hans")


class Command(BaseCommand):
    help = "Find translatable strings, update locale/*/django.po and compile them."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing; fail on gaps")

    def handle(self, *args: object, check: bool, **options: object) -> None:
        found = [(gaps if check else update_catalogue)(language) for language in LANGUAGES]
        if not check:
            compile_catalogues()
        for each in found:
            for word, texts in (("missing", each.missing), ("obsolete", each.obsolete)):
                for text in texts:
                    self.stdout.write(f"{each.language}: {word}: {text}")
        if check and any(found):
            raise CommandError(
                "Translations are incomplete. Run: make messages, then fill them in."
            )
        self.stdout.write("en, zh_Hans: " + ("gaps remain" if any(found) else "complete"))
