"""What this computer is, as the hardware of a scenario. What the system does not tell stays None, never guessed."""

from advisor.detection.computer import Detected, Facts, assembled, completed, detect, excess, read_facts
from advisor.detection.graphics import Card

__all__ = ["Card", "Detected", "Facts", "assembled", "completed", "detect", "excess", "read_facts"]
