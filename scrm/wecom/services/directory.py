"""The directory as the platform shows it: departments, staff, and who may use customer contact."""

from __future__ import annotations
