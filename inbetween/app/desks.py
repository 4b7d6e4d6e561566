"""The users who have the page open, each with a project of their own."""

from __future__ import annotations

import secrets
import tempfile
import threading
from pathlib import Path

from inbetween.app.limits import MAX_DESKS
from inbetween.app.models import Models
from inbetween.app.parts import Style
from inbetween.app.project import Project
from inbetween.errors import UserError


class Desks:
    """Projects by a secret that only their user's page knows; their files are removed at the end.

    Args:
        models: The methods.

    Attributes:
        uploads: The folder that files are uploaded to.
    """

    def __init__(self, models: Models) -> None:
        self.models = models
        self._temporary = tempfile.TemporaryDirectory(prefix="inbetween-app-", ignore_cleanup_errors=True)
        self._root = Path(self._temporary.name).resolve()
        self.uploads = self._root / "uploads"
        self.uploads.mkdir()
        self._projects: dict[str, Project] = {}
        self._left: dict[str, None] = {}  # in the order in which their pages were closed
        self._lock = threading.Lock()

    def open(self) -> str:
        """Begin a project; returns its secret.

        Raises:
            UserError: Too many pages are open.
        """
        if len(self._projects) >= MAX_DESKS and self._left:
            self.close(next(iter(self._left)))
        with self._lock:
            if len(self._projects) >= MAX_DESKS:
                raise UserError("Too many pages are open: close one, or start the app again.")
            secret = secrets.token_urlsafe(24)
            folder = self._root / "projects" / secret
            folder.mkdir(parents=True)
            self._projects[secret] = Project(folder, Style(self.models.first))
            return secret

    def get(self, secret: str, back: bool = True) -> Project:
        """The project of a secret.

        Args:
            secret: Of its page.
            back: The page asks for it, so it is open.

        Raises:
            UserError: There is none.
        """
        project = self._projects.get(secret)
        if project is None:
            raise UserError("This page has been closed for too long: load it again.")
        if back:
            self._left.pop(secret, None)
        return project

    def leave(self, secret: str) -> None:
        """A page has been closed: stop drawing; the project makes room for others once there are too many."""
        project = self._projects.get(secret)
        if project:
            project.stopped = True
            self._left[secret] = None

    def file(self, secret: str, name: str) -> Path | None:
        """A file of a project; None where there is none of that name."""
        project = self._projects.get(secret)
        # compared with the names that exist, so that no name leads elsewhere
        found = project.folder.iterdir() if project else ()
        return next((path for path in found if path.name == name), None)

    def close(self, secret: str) -> None:
        """End a project and remove its files."""
        with self._lock:
            project = self._projects.pop(secret, None)
            self._left.pop(secret, None)
        if project:
            project.close()

    def close_all(self) -> None:
        """End all projects and remove all files."""
        for secret in list(self._projects):
            self.close(secret)
        self._temporary.cleanup()
