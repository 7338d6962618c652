"""Labels: the target of each bar and the interval of time that it spans; moves over other horizons for decay."""

from ofiml.labels.encoding import Encoder, convert_to_ticks
from ofiml.labels.span import measure_label_span
from ofiml.labels.table import build_label_table

__all__ = ["Encoder", "build_label_table", "convert_to_ticks", "measure_label_span"]
