"""Collections of all window metrics, and their scores per window."""

from functools import partial

from torch import Tensor, nn
from torchmetrics import MetricCollection

from inbetween.metrics.end_point_error import EndPointError
from inbetween.metrics.fidelity import PSNR, SSIM
from inbetween.metrics.line_chamfer_distance import LineChamferDistance
from inbetween.metrics.perceptual import (
    LPIPS,
    OracleTimingLPIPS,
    PerceptualDistance,
    TemporalCoherence,
    TemporalCoherenceGap,
)
from inbetween.metrics.warping import WarpingError, true_motion
from inbetween.metrics.window import Crops, Kept, WindowFlowMetric, WindowMetric


class WindowMetrics:
    """Creates collections of window metrics that share what depends on the true frames alone.

    Args:
        lpips: Network from `load_lpips`; None leaves out the metrics built on it.
    """

    def __init__(self, lpips: nn.Module | None) -> None:
        self.crops, self.motion = Crops(), Kept(true_motion)
        self.cycle_crops = Crops()  # keeps one batch: cycles are of other frames
        self.distance = None if lpips is None else PerceptualDistance(lpips)
        # each frame passes the network once, for all metrics
        self.features = None if self.distance is None else Kept(self.distance.features)

    def of_frames(self) -> MetricCollection:
        """Every metric of predicted frames, updated by `update(frames, batch)`.

        Returns:
            A collection of `WindowMetric` with the keys ssim, psnr, lpips, temporal_coherence,
            temporal_coherence_gap, warping_error and line_chamfer_distance.
        """
        window = partial(WindowMetric, crops=self.crops)
        metrics = {"ssim": window(SSIM()), "psnr": window(PSNR())}
        if self.distance is not None:
            metrics["lpips"] = window(LPIPS(self.distance, self.features))
            metrics["temporal_coherence"] = window(TemporalCoherence(self.distance, self.features))
            metrics["temporal_coherence_gap"] = window(TemporalCoherenceGap(self.distance, self.features))
        metrics["warping_error"] = window(WarpingError(self.motion))
        metrics["line_chamfer_distance"] = window(LineChamferDistance())
        return _together(metrics)

    def of_oracle_timing(self) -> MetricCollection:
        """`lpips_oracle_timing`, updated by `update(frames, batch)` with frames of any number K."""
        if self.distance is None:
            return _together({})
        return _together(
            {"lpips_oracle_timing": WindowMetric(OracleTimingLPIPS(self.distance, self.features), self.crops)}
        )

    def of_cycles(self) -> MetricCollection:
        """`cycle_lpips` and `cycle_line_chamfer_distance`, updated by `update(frames, batch)`.

        The batch's one target is a middle keyframe, and the frames are its estimates from in-betweens.
        """
        window = partial(WindowMetric, crops=self.cycle_crops)
        metrics = {"cycle_line_chamfer_distance": window(LineChamferDistance())}
        if self.distance is not None:
            metrics["cycle_lpips"] = window(LPIPS(self.distance, self.features))
        return _together(metrics)

    def of_flows(self) -> MetricCollection:
        """`end_point_error`, updated by `update(flows, batch)`; see `WindowFlowMetric`."""
        return _together({"end_point_error": WindowFlowMetric(EndPointError(), self.crops)})


def frame_metrics(lpips: nn.Module | None) -> MetricCollection:
    """Every metric of predicted frames; see `WindowMetrics.of_frames`.

    Args:
        lpips: Network from `load_lpips`; None leaves out the metrics built on it.
    """
    return WindowMetrics(lpips).of_frames()


def window_scores(metrics: MetricCollection) -> dict[str, tuple[Tensor, Tensor]]:
    """Scores (n,) and window indices (n,) of each metric that is defined for any window.

    Gathers from all processes: every process must call it.
    """
    found = {
        name: metric.per_window() for name, metric in metrics.items() if isinstance(metric, WindowMetric)
    }
    return {name: scores for name, scores in found.items() if len(scores[0])}


def _together(metrics: dict[str, WindowMetric]) -> MetricCollection:
    # Grouping merges metrics whose states are equal after the first update, as for a perfect
    # prediction, where several are 0 for different reasons.
    return MetricCollection(dict(metrics), compute_groups=False)
