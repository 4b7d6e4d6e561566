"""What happens around a method's steps: figures, pictures and files."""

from inbetween.callbacks.frame_metrics import FrameMetrics
from inbetween.callbacks.sample_grid import SampleGrid

__all__ = ["FrameMetrics", "SampleGrid"]
