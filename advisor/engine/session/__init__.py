"""Sessions of the engine: a model loaded in a child process, placed by a plan, measured step by step."""

from advisor.engine.session.client import Session
from advisor.engine.session.messages import Generation, Loaded, Measurement, Phase, StepLogits

__all__ = ["Generation", "Loaded", "Measurement", "Phase", "Session", "StepLogits"]
