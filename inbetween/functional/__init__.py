"""Pure tensor mathematics: no state, no files, no models."""
