"""Log lines for machines: one JSON object each, with the id of the request they belong to."""

from __future__ import annotations

import logging
import time

from pythonjsonlogger.json import JsonFormatter

from scrm.shared.request_id import current_request_id


class RequestIDFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request_id()
        return True


class JSONFormatter(JsonFormatter):
    """Control characters come out escaped, so nobody can forge a line."""

    converter = time.gmtime  # type: ignore[assignment]  # as the manual of logging shows it

    def __init__(self) -> None:
        super().__init__(
            "{asctime}{levelname}{name}{message}{request_id}",
            style="{",
            datefmt="%Y-%m-%dT%H:%M:%SZ",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
