"""Labels: each bar's target and the interval of time that it spans; targets of other horizons for forecast decay."""

from ofiml.labels.encoding import Encoder, convert_to_ticks
from ofiml.labels.span import label_span
from ofiml.labels.table import label_table

__all__ = ["Encoder", "convert_to_ticks", "label_span", "label_table"]
