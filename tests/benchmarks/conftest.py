"""The command line's fixtures."""

from tests.cli.conftest import backbone, exp1, no_network, other_folder, run, small_machine, tiny

__all__ = ["backbone", "exp1", "no_network", "other_folder", "run", "small_machine", "tiny"]
