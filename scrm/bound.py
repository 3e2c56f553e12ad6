"""Become another program that ends when the parent does.

python bound.py PARENT SIGNAL USER -- COMMAND…

Run as a script in a fresh interpreter, because code between fork and exec of a process with
threads may deadlock. USER is "-" or "uid:gid". Only Linux can bind; elsewhere the next start
finds what was left behind (embedded.py).
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, signum, user, _, *command = sys.argv[1:]
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if user != "-":
        uid, gid = map(int, user.split(":"))
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)  # after setuid, which clears it
    if os.getppid() != int(parent):
        sys.exit(0)  # the parent died before it could be watched
    os.execvp(command[0], command)  # noqa: S606 - becoming the command is the purpose


if __name__ == "__main__":
    main()
