"""Metrics: torchmetrics classes on (preds, target), and what measures the windows of a data module with them.

```python
from inbetween.metrics import LineChamferDistance

distance = LineChamferDistance()
distance(preds, target)  # (B, 3, H, W) in [0, 1]
```
"""

from inbetween.metrics.base import ClipMetric, ImageMetric, SampleMetric
from inbetween.metrics.bootstrap import bootstrap_interval
from inbetween.metrics.collection import WindowMetrics, frame_metrics, window_scores
from inbetween.metrics.end_point_error import EndPointError
from inbetween.metrics.feature_network import load_lpips
from inbetween.metrics.fidelity import PSNR, SSIM
from inbetween.metrics.line_chamfer_distance import LineChamferDistance
from inbetween.metrics.perceptual import (
    LPIPS,
    OracleTimingLPIPS,
    PerceptualDistance,
    TemporalCoherence,
    TemporalCoherenceGap,
)
from inbetween.metrics.risk import (
    REVIEW_LABELS,
    area_under_risk_coverage,
    excess_area_under_risk_coverage,
    mean_at_coverage,
    review_label,
)
from inbetween.metrics.visibility import one_sided_shares, visible_in_keyframes
from inbetween.metrics.warping import WarpingError
from inbetween.metrics.window import WindowFlowMetric, WindowMetric

__all__ = [
    "LPIPS",
    "PSNR",
    "REVIEW_LABELS",
    "SSIM",
    "ClipMetric",
    "EndPointError",
    "ImageMetric",
    "LineChamferDistance",
    "OracleTimingLPIPS",
    "PerceptualDistance",
    "SampleMetric",
    "TemporalCoherence",
    "TemporalCoherenceGap",
    "WarpingError",
    "WindowFlowMetric",
    "WindowMetric",
    "WindowMetrics",
    "area_under_risk_coverage",
    "bootstrap_interval",
    "excess_area_under_risk_coverage",
    "frame_metrics",
    "load_lpips",
    "mean_at_coverage",
    "one_sided_shares",
    "review_label",
    "visible_in_keyframes",
    "window_scores",
]
