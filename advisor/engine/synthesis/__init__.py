"""GGUF files of any catalog model's architecture with random weights: what runs as fast as the real one, without it.

Speed does not depend on the values of weights; which experts are read depends on the router, whose skew is chosen.
"""

from advisor.engine.synthesis.cut import Cut, least_layers
from advisor.engine.synthesis.popularity import busiest_share
from advisor.engine.synthesis.recipe import Recipe
from advisor.engine.synthesis.writing import Progress, write_model

__all__ = ["Cut", "Progress", "Recipe", "busiest_share", "least_layers", "write_model"]
