"""The one exception a user is meant to read."""


class UserError(Exception):
    """A mistake in what the user gave: one sentence that names the thing and the way out.

    The command line prints it without a traceback and ends with exit code 2. Raise it before
    anything is written.
    """
