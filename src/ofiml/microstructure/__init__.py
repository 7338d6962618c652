"""Analyses of data outside a run: survey, stylised facts, toxicity, true fills."""
