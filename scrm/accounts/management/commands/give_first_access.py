from __future__ import annotations

import json

from django.core.management.base import BaseCommand

from scrm.accounts.services.first_access import give_first_access


class Command(BaseCommand):
    help = "Make a first administrator and API key, and print them once as JSON."

    def handle(self, *args: object, **options: object) -> None:
        self.stdout.write(json.dumps(give_first_access(), ensure_ascii=False))
