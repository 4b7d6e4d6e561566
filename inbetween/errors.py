"""The one exception a user is meant to read."""


class UserError(Exception):
    """A mistake in what the user gave: one sentence that names the thing and the way out.

    The command line prints it without a traceback and ends with exit code 2. Raise it before
    anything is written.
    """


def user_error_behind(error: BaseException) -> UserError | None:
    """The `UserError` that `error` is or was raised from; libraries wrap it in exceptions of their own."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, UserError):
        seen = seen.__cause__ or seen.__context__
    return seen
