"""Import purchases from a CSV file."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from members.management.import_command import ImportCommand
from members.services.importing.files import PURCHASES, purchase_writer
from members.services.importing.run import WriteBatch
from scrm.accounts.models import Enterprise


class Command(ImportCommand):
    help = "Import purchases from a CSV file; stopped anywhere, it goes on where it was."
    layout = PURCHASES

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--create-members",
            action="store_true",
            help="put unknown members on file under their external id, instead of refusing them",
        )

    def writer(self, enterprise: Enterprise, options: dict[str, Any]) -> WriteBatch:
        return purchase_writer(
            enterprise, source=options["source"], create_members=options["create_members"]
        )
