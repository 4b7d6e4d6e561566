"""The project's own commands, on top of methods."""
