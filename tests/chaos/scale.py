"""Every promise has a short form for each check and a long one for ``make torture``."""

import os

LONG = os.environ.get("SCRM_TORTURE") == "1"


def of[Size](short: Size, long: Size) -> Size:
    return long if LONG else short
