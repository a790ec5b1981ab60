"""Colours that colour-blind people tell apart, with enough contrast on a light and on a dark page.

Source: Okabe and Ito, "Color Universal Design", https://jfly.uni-koeln.de/color/ (read 2026-11-24). Those used for
marks reach 3:1 on both backgrounds (WCAG 2.2, 1.4.11); orange and sky blue do not, and only fill labelled bars.
"""

BLUE, VERMILLION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
ORANGE, SKY, YELLOW, GREY = "#e69f00", "#56b4e9", "#f0e442", "#7f7f7f"
KINDS = {"desktop": BLUE, "laptop": PURPLE, "unified": GREEN}
SHAPES = {"desktop": "circle", "laptop": "square", "unified": "triangle-up"}
STAGES = {
    "gpu_weights": BLUE, "gpu_experts": SKY, "gpu_kv": GREEN, "gpu_launches": GREY, "cpu_weights": VERMILLION,
    "cpu_kv": ORANGE, "cpu_sync": YELLOW, "link": PURPLE, "disk": "#505050",
}  # fmt: skip
SERIES = (BLUE, VERMILLION, GREEN, PURPLE)
