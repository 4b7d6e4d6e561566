"""Figures of drawn frames: torchmetrics classes with one score per window."""

from inbetween.metrics.bootstrap import bootstrap_interval
from inbetween.metrics.collection import frame_metrics, window_scores
from inbetween.metrics.end_point_error import EndPointError
from inbetween.metrics.feature_network import load_lpips
from inbetween.metrics.fidelity import PSNR, SSIM
from inbetween.metrics.line_chamfer_distance import LineChamferDistance
from inbetween.metrics.perceptual import (
    LPIPS,
    OracleTimingLPIPS,
    PerceptualDistances,
    TemporalCoherence,
    TemporalCoherenceGap,
)
from inbetween.metrics.risk import (
    VERDICTS,
    area_under_risk_coverage,
    excess_area_under_risk_coverage,
    mean_at_coverage,
    verdict,
)
from inbetween.metrics.warping import WarpingError
from inbetween.metrics.window import TruthCache, WindowMetric

__all__ = [
    "LPIPS",
    "PSNR",
    "SSIM",
    "VERDICTS",
    "EndPointError",
    "LineChamferDistance",
    "OracleTimingLPIPS",
    "PerceptualDistances",
    "TemporalCoherence",
    "TemporalCoherenceGap",
    "TruthCache",
    "WarpingError",
    "WindowMetric",
    "area_under_risk_coverage",
    "bootstrap_interval",
    "excess_area_under_risk_coverage",
    "frame_metrics",
    "load_lpips",
    "mean_at_coverage",
    "verdict",
    "window_scores",
]
