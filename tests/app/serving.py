"""The page, served by a thread."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from inbetween.app.command import listen
from inbetween.app.desks import Desks


@contextmanager
def served(desks: Desks, listening: socket.socket | None = None) -> Iterator[str]:
    """Serve the page, at a free port or at one that is taken; gives its address."""
    import uvicorn

    from inbetween.app.page import server_of

    listening = listening or listen("127.0.0.1", 0)
    config = uvicorn.Config(server_of(desks, "127.0.0.1"), log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    yield f"http://localhost:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listening.close()
