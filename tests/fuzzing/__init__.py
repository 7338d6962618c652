"""Damaged inputs for every reader: small valid ones, ways to damage them, and what may come of it."""
