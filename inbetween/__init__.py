"""Train, measure and run models that draw the frames between two keyframes of an animation."""

__version__ = "0.1.0"
