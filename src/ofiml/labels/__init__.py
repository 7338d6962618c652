"""Labels: what a bar's flow is held against, and the interval of time that the label spans."""

from ofiml.labels.encoding import Encoder, Worth
from ofiml.labels.table import label_table

__all__ = ["Encoder", "Worth", "label_table"]
