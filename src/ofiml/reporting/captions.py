"""The sentence under each figure of report.html: what to look at, and what it means."""

#: By the name of the figure's file, without its ending. `figures.choose_figures` draws no other figure.
CAPTIONS: dict[str, str] = {
    "signal": "Bars should have the sign of the move of the mid that they forecast or explain; long runs of one sign "
    "are one bet, repeated.",
    "predicted_realised": "Points on the dashed line are forecasts of the right size; a flat row of points is no "
    "forecast, and a line steeper than the dashed one means that forecasts are too small.",
    "impact": "The points should follow the line, the slopes be above 0 in every half hour, and deeper books have "
    "flatter slopes.",
    "folds": "Folds on both sides of 0 mean that the skill is not stable over time, whatever the pooled IC is.",
    "importance": "Long bars carry the forecast; dots far apart mean that the folds do not agree on a feature.",
    "weights": "Lines that lie together mean that every fold learned the same weights; the first levels usually weigh "
    "most.",
    "equity": "The gap between the two lines is what trading costs, or earns where net lies above; a net line that "
    "rises in few steps rests on few trades.",
    "latency_curve": "A net line that falls steeply means that the profit belongs to whoever is fastest.",
    "cost_grid": "Red cells lose money: the more of the grid is red, the less the profit bears an error in the assumed "
    "costs; what fills earn, as resting orders do the spread, is not multiplied.",
    "capacity": "Where the net line turns down, larger orders cost more than they earn.",
    "markouts": "Bars that stay above 0 at longer times are fills that kept their worth; bars below 0 are adverse "
    "selection.",
    "profit_by_time": "A profit from one or two half hours of the day is a narrower claim than one from all of them.",
    "queue_bracket": "The truth lies between the two pale bars; if they have different signs, the profit depends on "
    "the place in the queue.",
    "trades": "Entries should precede the move and exits follow it; the best, the worst and two trades between them.",
    "families": "The share of a family says how much of the forecast would be left without order flow.",
    "stability": "Lines that cross are features whose rank differs from fold to fold, which no story should rest on.",
    "permutation": "A feature whose interval contains 0 could be left out; correlated features can replace each other, "
    "so small bars are not proof.",
    "interactions": "Pairs with a small share act one by one, so that a linear model would lose little.",
    "strata": "Intervals right of 0 in every stratum mean that the skill is general; a single stratum far right means "
    "that the pooled IC is a mixture.",
    "decay": "The blue line reaches as far as the forecast does; red squares at 0 mean that later moves add nothing "
    "that was foreseen.",
    "reliability": "Points on the dashed line are honest probabilities; the histogram shows how often each is "
    "forecast.",
    "splits": "In each row the test bars lie outside of the train bars, and the purge and the embargo "
    "lie between them.",
    "tuning_history": "A line that is flat from the first trials means that the search found little to improve.",
    "tuning_importance": "Parameters with short bars could stay at their defaults.",
    "tuning_slices": "Rings in different places mean that the folds prefer different parameters, so the optimum is "
    "flat or noise.",
    "controls": "The model should lie right of every control, and permuted and random-walk labels should lie at 0.",
}
