"""The command that serves the page."""

from __future__ import annotations

import importlib.util
import signal
import socket
import webbrowser
from contextlib import closing

from inbetween.app.desks import Desks
from inbetween.app.models import Models
from inbetween.commands.machine import open_fabric
from inbetween.errors import UserError


def app(
    host: str = "127.0.0.1",
    port: int = 7860,
    open_browser: bool = False,
    method: str | None = None,
    accelerator: str = "auto",
) -> None:
    """Serve the animator's page: keyframes in, in-betweens out, in the browser.

    It needs the extra `app` (Gradio), and runs until it is interrupted (Ctrl+C). Nothing leaves this
    machine, and all drawings are removed at the end.

    Args:
        host: The address to listen at. By default, only this machine can open the page; `0.0.0.0` lets the
            whole network in, without a password.
        port: The port to listen at, from 1 to 65535; 0 takes a free one.
        open_browser: Open the page in the browser.
        method: The method to begin with: see `interpolate --help`.
        accelerator: Where to compute, as in Lightning's Trainer: `auto`, `cpu`, `gpu`, `mps`.

    Raises:
        UserError: Gradio is not installed, the address cannot be used, or there is no such method.
    """
    if importlib.util.find_spec("gradio") is None:
        raise UserError('The page needs Gradio, which is not installed: pip install -e ".[app]".')
    listening = listen(host, port)
    with closing(listening):
        models = Models(open_fabric(accelerator, "bf16-mixed").device, method)
        desks = Desks(models)
        try:
            serve(desks, listening, host, open_browser)
        finally:
            desks.close_all()


def listen(host: str, port: int) -> socket.socket:
    """Take a port.

    Raises:
        UserError: It is in use, or there is no such address or port.
    """
    if not 0 <= port <= 65535:
        raise UserError(f"port is {port}: give 1 to 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen()
    except OSError as error:
        found.close()
        why = error.strerror or error
        raise UserError(
            f"The page cannot be served at {host}, port {port} ({why}): give another --port or --host."
        ) from None
    return found


def serve(desks: Desks, listening: socket.socket, host: str, open_browser: bool) -> None:
    """Serve the page until the process is interrupted."""
    # here, since Gradio takes seconds to import and is an extra
    import uvicorn

    from inbetween.app.page import server_of

    port = listening.getsockname()[1]
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else host
    address = f"http://{shown}:{port}"
    # browsers keep connections open, which are neither waited for nor worth a message
    config = uvicorn.Config(server_of(desks, host), log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    print(f"The page is at {address} (Ctrl+C ends it).", flush=True)
    if open_browser:
        webbrowser.open(address)
    # uvicorn ends on both signals, and then raises them again
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server.run(sockets=[listening])
