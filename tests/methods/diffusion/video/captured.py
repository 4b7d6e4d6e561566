"""What a pipeline hands to its denoiser, and gets."""

from contextlib import contextmanager


@contextmanager
def captured(denoiser):
    """A list of (keyword arguments, output) of the denoiser's calls, filled as they come."""
    calls = []
    hook = denoiser.register_forward_hook(
        lambda _, arguments, keywords, output: calls.append((keywords, output[0])), with_kwargs=True
    )
    try:
        yield calls
    finally:
        hook.remove()
