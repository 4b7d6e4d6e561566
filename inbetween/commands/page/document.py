"""A page of one file: template, style, scripts and data put together."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import torch

from inbetween import __version__
from inbetween.commands.machine import description
from inbetween.commands.reports import write_text

REPORT = "report.html"
STYLES = (
    "page.css",
    "controls.css",
    "tables.css",
    "player.css",
    "timeline.css",
    "charts.css",
    "narrow.css",
)
_ASSETS = files("inbetween.commands.page") / "assets"


def document(title: str, scripts: Sequence[str], data: Mapping[str, Any]) -> str:
    """A page as HTML that loads nothing.

    Its content security policy names the hashes of its own style and script: a browser runs nothing else,
    and asks no other place for anything.

    Args:
        title: Shown by the browser.
        scripts: Names of the scripts in `assets`, in the order they run.
        data: What they show, as JSON values; numbers that are not finite become null.
    """
    style, script = ("\n".join(map(_asset, names)) for names in (STYLES, scripts))
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)};"
        f" script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    parts = {"title": html.escape(title), "policy": policy, "style": style, "script": script}
    return Template(_asset("report.html")).substitute(parts, data=embedded(data))


def embedded(data: Mapping[str, Any]) -> str:
    """Data as JSON that can stand inside a script element, whatever its texts hold."""
    text = json.dumps(_finite(data), allow_nan=False, separators=(",", ":"))
    # nothing in it may end the element, or begin a comment
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def write_page(path: Path, title: str, scripts: Sequence[str], data: Mapping[str, Any]) -> None:
    """Write a `document`; atomically."""
    write_text(path, document(title, scripts, data))


def provenance(device: torch.device) -> list[tuple[str, str]]:
    """When, with what and on what a report was made: names and values."""
    machine = description(device)
    versions = f"inbetween {__version__}, torch {machine['torch']}, Python {machine['python']}"
    place = machine["processor"] if device.type == "cpu" else machine["device"]
    made = datetime.now().astimezone().isoformat(" ", "minutes")
    return [("Made", made), ("Device", place or device.type), ("Versions", versions)]


def command_line(command: str) -> str:
    """The command as it was typed; empty where it was called from Python."""
    typed = sys.argv[1:]
    return shlex.join(["python", "-m", "inbetween", *typed]) if typed[:1] == [command] else ""


def _finite(value: object) -> object:
    """JSON values, with null for numbers that JSON has not."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
