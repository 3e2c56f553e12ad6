"""Whether the process in this container does its work: python -m scrm.probe web|worker|beat.

The health checks of the image. It asks without loading Django, so it may be asked often.
"""

from __future__ import annotations

import os
import socket
import sys
import urllib.request

import psycopg

SILENT_AFTER = 60
BEATS = (
    "SELECT count(*) FROM shared_heartbeat"
    " WHERE process LIKE %s AND beaten_at > now() - make_interval(secs => %s)"
)


def web_answers() -> bool:
    request = urllib.request.Request("http://127.0.0.1:8000/readyz")
    request.add_header("Host", os.environ.get("SCRM_HOSTS", "localhost").split(",")[0].strip())
    with urllib.request.urlopen(request, timeout=4) as response:  # noqa: S310 - our own address
        return bool(response.status == 200)


def process_beats(kind: str) -> bool:
    """The heartbeat of this very host, so a living neighbour does not answer for it."""
    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=4) as connection:
        row = connection.execute(
            BEATS, [f"{kind}:%{socket.gethostname()}", SILENT_AFTER]
        ).fetchone()
    return row is not None and row[0] > 0


def main() -> int:
    kind = sys.argv[1]
    try:
        return 0 if (web_answers() if kind == "web" else process_beats(kind)) else 1
    except (OSError, psycopg.Error) as error:
        sys.stderr.write(f"{type(error).__name__}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
