"""The families of features: in each module, what its features are and the code that computes them.

A module has `ENTRIES`, what the catalogue says of each feature, and `fill`, which writes their values at t, each to the
field of its name in a record of the whole catalogue. A field that is not written is NaN. The functions are plain
Python; `features.kernel` compiles them.
"""
