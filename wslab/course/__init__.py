"""What a lesson needs beside the lab: predictions that are made first and compared afterwards."""

from .prediction import Comparison, Prediction, predict

__all__ = ["Comparison", "Prediction", "predict"]
