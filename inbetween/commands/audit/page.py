"""An audit as `report.html`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inbetween.commands.audit.memory import Memory, Share
from inbetween.commands.audit.report import Pairing, nearest_pairs
from inbetween.commands.page import Album, command_line, provenance, smaller, write_page
from inbetween.data.source import WindowSpec
from inbetween.io.frames import to_bytes
from inbetween.io.images import Pixels

SCRIPTS = ("core.js", "tables.js", "audit.js")
PAIRS = 60  # copies that are shown
WINDOWS = 24  # of the method that are shown
SIDE = 240  # pixels of a picture's longer side, at most


def write_audit(
    path: Path,
    pairings: Sequence[Pairing],
    memory: Memory | None,
    spec: WindowSpec,
    lead: str,
    measured: str,
    facts: Sequence[tuple[str, str]],
    device: torch.device,
) -> None:
    """Write the report of an audit.

    Args:
        path: Of the file.
        pairings: What was found between each two splits.
        memory: About the method, if one was given.
        spec: How frames lie in a window.
        lead: The result in a sentence.
        measured: How it was measured, in a sentence.
        facts: What was looked at: names and values.
        device: It was computed on.
    """
    data = audit_data(pairings, memory, spec)
    data |= {
        "lead": lead,
        "measured": measured,
        "facts": [*facts, *provenance(device)],
        "command": command_line("audit"),
    }
    write_page(path, f"Audit: {lead}", SCRIPTS, data)


def audit_data(pairings: Sequence[Pairing], memory: Memory | None, spec: WindowSpec) -> dict[str, Any]:
    """Copies and memory with their pictures, as JSON values; see `write_audit`."""
    pairs = nearest_pairs(pairings, PAIRS)
    ratios = [] if memory is None else _most_like_train(memory)
    album = Album(len(pairs) + len(ratios))
    copies = []
    for pairing, match in pairs:
        images = album.add([_shrunk(frame.read()) for frame in (match.frame, match.copy)])
        if images is not None:
            copies.append(
                {
                    "train": pairing.train,
                    "held_out": pairing.held_out,
                    "frame": match.frame.name,
                    "copy": match.copy.name,
                    "kind": match.kind,
                    "distance": match.distance,
                    "images": images,
                }
            )
    found = sum(len(pairing.matches) for pairing in pairings)
    notes = [f"The nearest {len(copies)} of {found} copies are shown."] if len(copies) < found else []
    return {
        "notes": notes,
        "pairings": [
            {
                "train": one.train,
                "held_out": one.held_out,
                "frames": one.frames,
                "copies": len(one.matches),
                "kinds": ", ".join(f"{count} {kind}" for kind, count in one.kinds.items()),
            }
            for one in pairings
        ],
        "copies": copies,
        "memory": None if memory is None else _memory(memory, ratios, spec, album),
    }


def _most_like_train(memory: Memory) -> list[int]:
    """Windows whose drawn in-between is most like training, compared with the true one."""
    ratio = memory.train.drawn / memory.train.true.clamp(min=1e-9)
    found: list[int] = ratio.argsort(stable=True)[:WINDOWS].tolist()
    return found


def _memory(memory: Memory, places: Sequence[int], spec: WindowSpec, album: Album) -> dict[str, Any]:
    shares = {
        "nearer to a training drawing than the true one": memory.nearer_train,
        "nearer to a held-out drawing than the true one": memory.nearer_held_out,
        "attraction of training drawings, 1 being none": memory.attraction,
    }
    windows = []
    for place in places:
        one, nearest = memory.drawn[place], memory.train.frame[place]
        if nearest is None:
            continue
        images = album.add(
            [_shrunk(to_bytes(image)) for image in (one.drawn, one.true, nearest.padded(spec))]
        )
        if images is not None:
            windows.append(
                {
                    "window": one.window,
                    "animation": one.animation,
                    "nearest": nearest.name,
                    "drawn": float(memory.train.drawn[place]),
                    "true": float(memory.train.true[place]),
                    "images": images,
                }
            )
    return {
        "verdict": memory.verdict,
        "shares": [_share(name, share, name.startswith("nearer")) for name, share in shares.items() if share],
        "windows": windows,
    }


def _share(name: str, share: Share, percent: bool) -> dict[str, Any]:
    return {"name": name, "mean": share.mean, "low": share.low, "high": share.high, "percent": percent}


def _shrunk(image: Pixels) -> Pixels:
    """One image (H, W, 3) as a strip."""
    return smaller(np.ascontiguousarray(image)[None], SIDE)
