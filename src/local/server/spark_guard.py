"""Runs a command and ends it, with all it started, when the server goes away.

The server holds the other end of standard input, so that its end is seen however the server ends.
"""

import os
import signal
import subprocess
import sys
import threading


def _end_with_the_server() -> None:
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: None)  # it is for the command; this process waits for its end
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    code = child.wait()
    os._exit(
        code if code >= 0 else 128 - code
    )  # the thread still reads: an ordinary exit would fail on its lock


if __name__ == "__main__":
    main()
