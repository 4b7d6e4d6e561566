"""The page in Gradio: the browser's events go to `actions`, and `view` comes back."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, PlainTextResponse, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from inbetween.app.actions import RefusedError, perform
from inbetween.app.desks import Desks
from inbetween.app.drawing import draw
from inbetween.app.limits import MAX_FILE
from inbetween.app.view import choices, view_of
from inbetween.errors import UserError

HERE = Path(__file__).parent
TITLE = "inbetween"
LOCAL = ("127.0.0.1", "localhost", "::1")
FILES = "/desk"  # below which the browser finds a project's files
#: Addresses that the page needs; Gradio's others, some of which read files and fetch addresses, are refused.
NEEDED = ("", "config", "theme.css", "assets", "static", "favicon.ico", "gradio_api", FILES.strip("/"))
NEEDED_OF_GRADIO = ("upload", "queue", "heartbeat", "startup-events", "cancel", "reset", "info")
SYSTEM_FONTS = ("system-ui", "sans-serif")


class Page:
    """The events of the page.

    Args:
        desks: The users' projects.
    """

    def __init__(self, desks: Desks) -> None:
        self.desks = desks
        self._secrets: dict[str, str] = {}  # by Gradio's name of a session

    def open(self, request: gr.Request) -> tuple[str, dict[str, Any]]:
        """A page has been loaded: its project's secret, and its view."""
        try:
            secret = self.desks.open()
        except UserError as error:
            return "", self._message(str(error), "error")
        self._secrets[str(request.session_hash)] = secret
        return secret, self._view(secret, {"choices": choices(self.desks.models)})

    def leave(self, request: gr.Request) -> None:
        """A page has been closed."""
        self.desks.leave(self._secrets.pop(str(request.session_hash), ""))

    def act(self, secret: str, event: gr.EventData) -> dict[str, Any]:
        """The user has done something."""
        return self._told(
            secret,
            lambda: perform(self.desks.get(secret), self.desks.models, event._data, self.desks.uploads),
        )

    def draw(self, secret: str) -> Iterator[dict[str, Any]]:
        """The user wants drawings: views while they are made."""
        try:
            project = self.desks.get(secret)
            for _ in draw(project, self.desks.models):
                yield self._view(secret)
            stopped = ["Stopped. What is finished has been kept."] if project.stopped else []
            told = " ".join(stopped + project.remarks)
        except Exception as error:
            yield self._view(secret, self._said(error))
            return
        yield self._view(secret, self._message(told, "note"))

    def stop(self, secret: str) -> None:
        """The user wants no more drawings."""
        try:
            self.desks.get(secret).stopped = True
        except UserError:  # nothing to stop
            return

    def _told(self, secret: str, work: Callable[[], dict[str, str]]) -> dict[str, Any]:
        try:
            found = work()
        except Exception as error:
            return self._view(secret, {"acted": True, **self._said(error)})
        if "download" in found:
            return self._view(secret, {"acted": True, "download": {"name": found["download"]}})
        if "trails" in found:
            return self._view(secret, {"acted": True, "trails": json.loads(found["trails"])})
        return self._view(secret, {"acted": True, **self._message("", "note")})

    def _view(self, secret: str, more: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            project = self.desks.get(secret, back=False)  # what ends after the page was closed
        except UserError as error:
            return self._message(str(error), "error")
        return {**view_of(project, self.desks.models, f"{FILES}/{secret}/"), **(more or {})}

    def _said(self, error: Exception) -> dict[str, Any]:
        """An error as a sentence; faults of the program are told in the terminal."""
        if isinstance(error, UserError):
            return self._message(str(error), "error")
        if isinstance(error, RefusedError):
            return self._message("This page does not fit the program any more: load it again.", "error")
        traceback.print_exception(error)
        return self._message("Something went wrong; the terminal says what.", "error")

    def _message(self, text: str, kind: str) -> dict[str, Any]:
        return {"message": {"text": text, "kind": kind}}


def blocks_of(page: Page) -> gr.Blocks:
    """The Gradio page."""
    script = "\n".join(path.read_text(encoding="utf-8") for path in sorted((HERE / "desk").glob("*.js")))
    blocks: gr.Blocks = gr.Blocks(title=TITLE, analytics_enabled=False)
    with blocks:
        secret = gr.State("", delete_callback=page.desks.close)
        desk = gr.HTML(
            None,
            html_template="<div class='desk'></div>",
            css_template="",
            js_on_load=script,
            apply_default_css=False,
            elem_id="desk",
        )
        common: dict[str, Any] = {
            "show_progress": "hidden",
            "api_visibility": "private",
            "concurrency_limit": None,
        }
        blocks.load(page.open, None, [secret, desk], **common)
        blocks.unload(page.leave)
        # Gradio's default drops what is done while it is busy
        desk.act(page.act, [secret], [desk], trigger_mode="multiple", **common)
        desk.draw(page.draw, [secret], [desk], **common)
        desk.stop(page.stop, [secret], None, **common)
    return blocks


class OnlyNeeded:
    """Lets requests pass for what the page needs, from the page itself.

    Args:
        app: What they pass to.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        answer = self.refusal(Request(scope)) if scope["type"] == "http" else None
        await (answer or self.app)(scope, receive, send)

    def refusal(self, request: Request) -> Response | None:
        """Why a request does not pass; None where it does."""
        origin = request.headers.get("origin")
        if origin and urlsplit(origin).netloc != request.headers.get("host"):
            return PlainTextResponse("Other sites have no access.", status_code=403)
        first, second, *_ = [*request.url.path.removeprefix("/").split("/"), ""]
        if first not in NEEDED or (first == "gradio_api" and second not in NEEDED_OF_GRADIO):
            return PlainTextResponse("There is nothing here.", status_code=404)
        return None


def server_of(desks: Desks, host: str) -> FastAPI:
    """The whole server: files of projects, and the page.

    Args:
        desks: The users' projects.
        host: The address that it will be bound to.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(desks.uploads)
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    server.add_middleware(OnlyNeeded)

    @server.get(FILES + "/{secret}/{name}")
    def file(secret: str, name: str) -> Response:
        found = desks.file(secret, name)
        if found is None:
            return PlainTextResponse("There is no such drawing.", status_code=404)
        headers = {"Cache-Control": "no-store" if found.stem == "animation" else "private, max-age=86400"}
        return FileResponse(found, headers=headers)

    if host in LOCAL:  # another site's name that leads here reaches nothing
        server.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])
    style = (HERE / "desk" / "desk.css").read_text(encoding="utf-8")
    theme = gr.themes.Base(font=SYSTEM_FONTS, font_mono=("ui-monospace", "monospace"))
    gr.mount_gradio_app(
        server,
        blocks_of(Page(desks)),
        path="/",
        server_name=host,
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=MAX_FILE,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=theme,
        # in the head, since Gradio rewrites what it is given as CSS
        head=f"<meta name='referrer' content='no-referrer'><style>{style}</style>",
    )
    return server
