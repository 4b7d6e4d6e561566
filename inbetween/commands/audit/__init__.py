"""`audit`: drawings that are in two splits, and whether a method draws from memory."""

from inbetween.commands.audit.command import audit

__all__ = ["audit"]
