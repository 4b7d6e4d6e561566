"""A share of the animations, for data sets that are written a part at a time."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from inbetween.errors import UserError


@dataclass(frozen=True)
class Share:
    """The K-th of N shares of all animations, which a hash of their names makes.

    An animation is in the same share whatever the others, on every machine.

    Args:
        number: K, from 1.
        of: N.
    """

    number: int = 1
    of: int = 1

    @classmethod
    def read(cls, text: str | None) -> Share:
        """From `K/N`; None is all of them.

        Raises:
            UserError: It is something else.
        """
        if text is None:
            return cls()
        match = re.fullmatch(r"(\d+)/(\d+)", text, re.ASCII)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UserError(f"part is {text}: give 1/8 for the first of eight parts, up to 8/8 for the last.")
        return cls(int(match[1]), int(match[2]))

    def has(self, animation: str) -> bool:
        """Whether an animation is in this share."""
        # the same on systems that encode accents differently, and apart from the hash of the splits
        text = unicodedata.normalize("NFC", animation).encode("utf-8", "surrogateescape")
        number = int.from_bytes(hashlib.blake2b(text, digest_size=8, person=b"part").digest(), "big")
        return number % self.of == self.number - 1
