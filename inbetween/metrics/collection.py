"""All metrics together, and what they say."""

from torch import Tensor, nn
from torchmetrics import MetricCollection

from inbetween.metrics.fidelity import PSNR, SSIM
from inbetween.metrics.line_chamfer_distance import LineChamferDistance
from inbetween.metrics.perceptual import LPIPS, PerceptualDistances, TemporalCoherence, TemporalCoherenceGap
from inbetween.metrics.warping import WarpingError
from inbetween.metrics.window import TruthCache, WindowMetric


def frame_metrics(lpips: nn.Module | None, cache: TruthCache | None = None) -> MetricCollection:
    """Every metric of drawn frames, updated by `update(frames, batch)`.

    Args:
        lpips: Network from `load_lpips`; None leaves out `lpips`, `temporal_coherence` and
            `temporal_coherence_gap`.
        cache: Shared by the collections that measure several predictions of the same batches.

    Returns:
        A collection of `WindowMetric` with the keys ssim, psnr, lpips, temporal_coherence,
        temporal_coherence_gap, warping_error and line_chamfer_distance.
    """
    cache = cache or TruthCache()
    metrics: dict[str, WindowMetric] = {"ssim": SSIM(), "psnr": PSNR()}
    if lpips is not None:
        distances = PerceptualDistances(lpips, cache)
        metrics["lpips"] = LPIPS(distances)
        metrics["temporal_coherence"] = TemporalCoherence(distances)
        metrics["temporal_coherence_gap"] = TemporalCoherenceGap(distances)
    metrics["warping_error"] = WarpingError(cache)
    metrics["line_chamfer_distance"] = LineChamferDistance()
    # Grouping merges metrics whose states are equal after the first update, as for a perfect
    # prediction, where several are 0 for good reasons of their own.
    return MetricCollection(dict(metrics), compute_groups=False)


def window_scores(metrics: MetricCollection) -> dict[str, tuple[Tensor, Tensor]]:
    """Scores (n,) and window indices (n,) of each metric that is defined for any window.

    Gathers from all processes: every process must call it.
    """
    found = {
        name: metric.per_window() for name, metric in metrics.items() if isinstance(metric, WindowMetric)
    }
    return {name: scores for name, scores in found.items() if len(scores[0])}
