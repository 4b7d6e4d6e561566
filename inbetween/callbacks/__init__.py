"""Callbacks: metrics, sample images, checkpoints and the files of a run."""

from inbetween.callbacks.checkpoints import WholeCheckpoints
from inbetween.callbacks.data_wait import DataWait
from inbetween.callbacks.ema import EMA
from inbetween.callbacks.first_validation import FirstValidation
from inbetween.callbacks.frame_metrics import FrameMetrics
from inbetween.callbacks.interruption import Interruption
from inbetween.callbacks.learned_weights import LearnedWeights
from inbetween.callbacks.lora_writer import LoraWriter
from inbetween.callbacks.prediction_writer import PredictionWriter
from inbetween.callbacks.pretrained import PretrainedWriter
from inbetween.callbacks.resumption import Resumption
from inbetween.callbacks.run_folder import is_dry, log_image, run_folder
from inbetween.callbacks.same_precision import SamePrecision
from inbetween.callbacks.sample_grid import SampleGrid
from inbetween.callbacks.screen import ParameterSummary, StepProgressBar
from inbetween.callbacks.weights_writer import WeightsWriter

__all__ = [
    "EMA",
    "DataWait",
    "FirstValidation",
    "FrameMetrics",
    "Interruption",
    "LearnedWeights",
    "LoraWriter",
    "ParameterSummary",
    "PredictionWriter",
    "PretrainedWriter",
    "Resumption",
    "SamePrecision",
    "SampleGrid",
    "StepProgressBar",
    "WeightsWriter",
    "WholeCheckpoints",
    "is_dry",
    "log_image",
    "run_folder",
]
