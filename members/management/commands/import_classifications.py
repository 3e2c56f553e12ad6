"""Import what is known of members along the axes of classification from a CSV file."""

from __future__ import annotations

from typing import Any

from members.management.import_command import ImportCommand
from members.services.importing.classifications import CLASSIFICATIONS, classification_writer
from members.services.importing.layouts import WriteBatch
from scrm.accounts.models import Enterprise


class Command(ImportCommand):
    help = (
        "Import members' classifications from a CSV file; stopped anywhere, it goes on where it "
        "was. A value imported on an exclusive axis replaces the imported one, but never what a "
        "colleague or evidence said."
    )
    layout = CLASSIFICATIONS

    def writer(self, enterprise: Enterprise, options: dict[str, Any]) -> WriteBatch:
        return classification_writer(enterprise)
