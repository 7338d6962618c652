"""Experiments of the literature and of well-known notebooks, each a page of tables, figures and a verdict.

`registry` lists them, `bench` runs studies for them, and `page` writes what they found. A module in `recipes/` is one
experiment: it has one `EXPERIMENT`, and its functions take a bench and return a page.
"""
