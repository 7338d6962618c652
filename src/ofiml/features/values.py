"""The features of one time as a record."""

import numpy as np

from ofiml.features.catalogue import CATALOGUE

VALUES = np.dtype([(name, np.float64) for name in CATALOGUE])  # a field a feature, in the catalogue's order
