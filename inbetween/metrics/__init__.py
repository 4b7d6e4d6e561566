"""Figures of drawn frames: torchmetrics classes with one score per window."""

from inbetween.metrics.backbone import load_lpips
from inbetween.metrics.bootstrap import bootstrap_interval
from inbetween.metrics.collection import frame_metrics, window_scores
from inbetween.metrics.end_point_error import EndPointError
from inbetween.metrics.fidelity import PSNR, SSIM
from inbetween.metrics.line_distance import LineDistance
from inbetween.metrics.perceptual import (
    LPIPS,
    CoherenceGap,
    PerceptualDistances,
    TemporalCoherence,
    ToldLPIPS,
)
from inbetween.metrics.risk import (
    VERDICTS,
    area_under_risk_coverage,
    excess_area_under_risk_coverage,
    mean_of_surest,
    verdict,
)
from inbetween.metrics.warping import WarpingError
from inbetween.metrics.window import TruthCache, WindowMetric

__all__ = [
    "LPIPS",
    "PSNR",
    "SSIM",
    "VERDICTS",
    "CoherenceGap",
    "EndPointError",
    "LineDistance",
    "PerceptualDistances",
    "TemporalCoherence",
    "ToldLPIPS",
    "TruthCache",
    "WarpingError",
    "WindowMetric",
    "area_under_risk_coverage",
    "bootstrap_interval",
    "excess_area_under_risk_coverage",
    "frame_metrics",
    "load_lpips",
    "mean_of_surest",
    "verdict",
    "window_scores",
]
