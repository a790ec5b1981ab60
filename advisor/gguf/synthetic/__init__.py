"""GGUF files of any catalog model's architecture with random weights: what runs as fast as the real one, without it.

Speed does not depend on the values of weights; which experts are read depends on the router, whose skew is chosen.
"""

from advisor.gguf.synthetic.popularity import busiest_share
from advisor.gguf.synthetic.recipe import Cut, Recipe, least_layers
from advisor.gguf.synthetic.writing import Progress, write_model

__all__ = ["Cut", "Progress", "Recipe", "busiest_share", "least_layers", "write_model"]
