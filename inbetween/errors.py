"""The one exception a user is meant to read."""

from collections.abc import Iterator


class UserError(Exception):
    """A mistake in what the user gave: one sentence that names the thing and the way out.

    The command line prints it without a traceback and ends with exit code 2. Raise it before
    anything is written.
    """


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on: each once, as one raised anew may stand behind itself."""
    seen: list[BaseException] = []
    behind: BaseException | None = error
    while behind is not None and behind not in seen:
        yield behind
        seen.append(behind)
        behind = behind.__cause__ or behind.__context__


def user_error_behind(error: BaseException) -> UserError | None:
    """The `UserError` that `error` is or was raised from; libraries wrap it in exceptions of their own."""
    return next((cause for cause in causes(error) if isinstance(cause, UserError)), None)


def check_at_least(least: float, **numbers: float | None) -> None:
    """Look at arguments that a class takes.

    Args:
        least: What each of them is at least.
        **numbers: By name; None is not looked at.

    Raises:
        UserError: One is smaller, or not a number.
    """
    for name, number in numbers.items():
        if number is not None and not number >= least:
            raise UserError(f"{name} is {number}: give {least} or more.")
