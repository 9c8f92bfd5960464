"""The process of a challenger; `python -m penstock.serving.shadow.process SOCKET`.

Neither a crash nor the load of a challenger may touch the server, so it runs in a process of its own, which gets only
CPU time that no other process wants. The process ends when its socket is closed, also by a crash of the server.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from multiprocessing.connection import Connection

LOWEST_PRIORITY = 19


def main(socket: int) -> None:
    """Answer the messages of a socket until it is closed."""
    os.nice(LOWEST_PRIORITY)
    # Imported at that priority: onnxruntime takes a while.
    from penstock.serving.shadow.challenger import LoadedChallenger
    from penstock.serving.shadow.messages import Look

    with suppress(EOFError, OSError), Connection(socket) as server:
        challenger = LoadedChallenger(server.recv())
        while True:
            message = server.recv()
            server.send(challenger.look() if isinstance(message, Look) else challenger.answer(message))


if __name__ == "__main__":
    main(int(sys.argv[1]))
