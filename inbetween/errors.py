"""The exception whose message is meant for users."""

from collections.abc import Iterator


class UserError(Exception):
    """A user's mistake: one sentence that names the thing and the remedy.

    The command line prints it without a traceback and ends with exit code 2. Raise it before
    anything is written.
    """


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error, its cause, and so on: each once, since a re-raised error may be its own cause."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        yield cause
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__


def user_error_behind(error: BaseException) -> UserError | None:
    """The `UserError` that `error` is, or was caused by; libraries wrap it in exceptions of their own."""
    return next((cause for cause in causes(error) if isinstance(cause, UserError)), None)


def check_at_least(least: float, **numbers: float | None) -> None:
    """Check arguments of a class.

    Args:
        least: Their minimum.
        **numbers: By name; None is not checked.

    Raises:
        UserError: One is smaller, or not a number.
    """
    for name, number in numbers.items():
        if number is not None and not number >= least:
            raise UserError(f"{name} is {number}: give {least} or more.")
