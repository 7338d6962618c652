"""Check that the decisions of a rule do not use later bars."""

from collections.abc import Mapping

import numpy as np

from ofiml.config import Strategy
from ofiml.errors import LeakError
from ofiml.samples.table import list_feature_columns
from ofiml.strategy.bars import FeeTicks, ForecastBars
from ofiml.strategy.build import decide_session, select_sessions
from ofiml.strategy.fit import FittedRule
from ofiml.training.fitted import FittedStudy


def check_causality(
    fitted: FittedStudy, strategy: Strategy, rules: list[FittedRule], fees: Mapping[str, FeeTicks], cuts: int = 3
) -> int:
    """Decide again with the bars after each of `cuts` times missing, in every session, and compare.

    Returns the number of decisions compared. Raises LeakError with the first decision that depends on a later bar.
    """
    features, compared = list_feature_columns(fitted.config.features), 0
    for key, rows, rule in select_sessions(fitted, strategy, rules):
        until = rows["until"].to_numpy()
        whole = decide_session(ForecastBars.of(rows, features, fees[key.symbol]), until, strategy, key, rule)
        for cut in sorted({rows.height * k // (cuts + 1) for k in range(1, cuts + 1)} - {0}):
            bars = ForecastBars.of(rows.head(cut), features, fees[key.symbol])
            part = decide_session(bars, until[:cut], strategy, key, rule)
            for name in whole._fields:
                before, after = getattr(whole, name), getattr(part, name)
                differs = np.flatnonzero(before[:cut] != after)
                if len(differs):
                    raise LeakError(
                        f"evaluation.leak_check: strategy={strategy.name} uses later bars: `{name}` of decision "
                        f"{differs[0]} of {key.symbol} {key.session} is {before[differs[0]]}, but {after[differs[0]]} "
                        f"without the bars after decision {cut - 1}. Fix `decide` of the rule."
                    )
            compared += cut
    return compared
