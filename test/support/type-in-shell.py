"""Types into an interactive shell on a terminal of its own, and prints what it answered: type-in-shell.py SECONDS SHELL... < keys.

Each line of the keys is typed as it is, \\t being the tabulator, and entered. The answer ends where the shell exits.
"""
import os
import pty
import select
import sys
import time

limit = time.monotonic() + float(sys.argv[1])
shell = sys.argv[2:]
lines = sys.stdin.read().split("\n")
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(shell[0], shell)


def read():
    """Waits until the shell says something, and reads until it has been silent for a second."""
    said = b""
    while time.monotonic() < limit:
        ready, _, _ = select.select([terminal], [], [], 1 if said else limit - time.monotonic())
        if not ready:
            break
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        said += part
    return said


said = read()
for line in lines:
    for key in line:
        os.write(terminal, key.encode())
        if key == "\t":
            said += read()
    os.write(terminal, b"\n")
    said += read()
os.close(terminal)
sys.stdout.write(said.decode(errors="replace"))
