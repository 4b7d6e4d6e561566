"""As for the command line: no network, one command after the other in this process."""

from tests.cli.conftest import no_network, run

__all__ = ["no_network", "run"]
