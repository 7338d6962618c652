"""Looks at data outside a run: survey, stylised facts, toxicity."""
