"""Video diffusion models that interpolate between a first and a last frame, one file for each kind."""
