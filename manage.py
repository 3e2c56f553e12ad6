#!/usr/bin/env python
"""Django's command line. In the embedded default it brings the engines up for the command."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scrm.settings")
    from scrm.commands import run  # noqa: PLC0415 - after the settings module is named

    run(sys.argv)


if __name__ == "__main__":
    main()
