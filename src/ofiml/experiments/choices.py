"""Overrides that several experiments share."""

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
