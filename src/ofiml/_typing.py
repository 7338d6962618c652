"""The string options as `Literal` types, and the array types."""

from typing import TYPE_CHECKING, Any, Literal

# Options of the config.
Per = Literal["message", "row"]
Activity = Literal["volume", "dollar", "trades", "events"]
OfiName = Literal[
    "best_level", "mlofi", "mlofi_sum", "mlofi_weighted", "mlofi_decay", "mlofi_ridge", "mlofi_powell", "pca"
]
Normalise = Literal["none", "depth"]
Parts = Literal["net", "sides", "types"]
Clock = Literal["time", "events", "volume"]
TargetKind = Literal["forecast", "impact"]
Form = Literal["return", "direction", "triple_barrier"]
Unit = Literal["ticks", "bps", "volatility"]
SplitName = Literal["expanding", "rolling", "cpcv", "session_out"]
CutBy = Literal["rows", "session", "time"]
Pruning = Literal["median", "off"]
Objective = Literal["auto", "l2", "quantile", "three_class"]
Monotone = Literal["none", "ofi"]
Calibration = Literal["none", "isotonic", "sigmoid"]
BlendWeights = Literal["mean", "stack"]
Entry = Literal["take", "post"]
Sizing = Literal["fixed", "proportional", "volatility"]
QueueName = Literal["auto", "exact", "proportional", "power", "pessimistic"]
Remainder = Literal["cancel", "rest"]
Threshold = Literal["cost", "quantile"]
Extreme = Literal["ofi", "forecast"]

# The task of a model: to predict the value of a label, or P(down), P(flat), P(up).
TaskType = Literal["regression", "classification"]

# How a tuning trial ended.
TrialState = Literal["complete", "pruned", "failed"]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Int64 = NDArray[np.int64]
    Int8 = NDArray[np.int8]
    UInt8 = NDArray[np.uint8]
    Bool = NDArray[np.bool_]
else:
    _ARRAYS = {"Float": "float64", "Int64": "int64", "Int8": "int8", "UInt8": "uint8", "Bool": "bool_"}

    def __getattr__(name: str) -> Any:
        """Return an array type. The types load on use, so that a config error is reported before numpy loads."""
        if name not in _ARRAYS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import numpy as np
        from numpy.typing import NDArray

        return NDArray[getattr(np, _ARRAYS[name])]
