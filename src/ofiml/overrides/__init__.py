"""From overrides, as one types them, to the typed config: what is checked before, and what Hydra composes.

Commands and the Python interface share it. With `cli` it is the only package that imports Hydra.
"""
