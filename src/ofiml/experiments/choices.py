"""Overrides and styles that several experiments share."""

from ofiml.ui.figure import BLUE, DARK, GREY, RED

#: Switch off what an experiment does not show: controls, leak check, permutations, interactions, other horizons.
SKILL_ONLY = (
    *("evaluation.controls=false", "evaluation.leak_check=false", "evaluation.permutation_repeats=0"),
    *("evaluation.interactions=0", "evaluation.decay=[]"),
)

#: The inputs that are compared, by their names on the pages.
INPUTS = {
    "best level": ("ofi=best_level",),
    "ten levels": ("ofi=mlofi",),
    "integrated": ("ofi=pca",),
    "all features": ("ofi=mlofi", "features=full"),
}

#: The colour and marker of each of them in figures.
INPUT_STYLES = dict(zip(INPUTS, ((GREY, "o"), (BLUE, "s"), (DARK, "^"), (RED, "D")), strict=True))
