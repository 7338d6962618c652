"""The members of a sweep: every combination of the values on the command line, or a sample of them."""

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep, Transformer

from ofiml.errors import ConfigError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_MOST_MEMBERS = 10_000
_MOST_MISSES = 50  # samples in a row that were drawn before


def expand_overrides(overrides: Sequence[Override]) -> list[list[str]]:
    """List the overrides of each member: every combination of the listed values, the last key varying fastest.

    Raises ConfigError for a range without steps, which has no list of values, and for too many members.
    """
    parts = []
    for override in overrides:
        if not override.is_sweep_override():
            parts.append([override.input_line or ""])
        elif override.is_discrete_sweep():
            parts.append([f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()])
        else:
            raise ConfigError(
                f"{override.input_line} is a range without a list of values: add sweep.trials=50 to draw 50 samples, "
                "or list the values."
            )
    number = math.prod(map(len, parts))
    if number > _MOST_MEMBERS:
        raise ConfigError(f"The sweep has {number:,} combinations: add sweep.trials=50 to draw 50 of them.")
    return [list(combination) for combination in itertools.product(*parts)]


def sample_overrides(overrides: Sequence[Override], trials: int, seed: int) -> list[list[str]]:
    """Draw the overrides of `trials` members, all different, or of as many as there are.

    They fill the space evenly (a Sobol sequence for numbers, random choices), and follow from the seed alone. A search
    that learned from the results of earlier members would tune on the test rows.
    """
    import optuna

    space = {o.get_key_element(): make_distribution(o) for o in overrides if o.is_sweep_override()}
    if not space:
        raise ConfigError(
            "sweep.trials draws from ranges and lists of values: give at least one, as KEY=interval(1,2)."
        )
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Sobol sequences are marked as experimental
        sampler = optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
    study = optuna.create_study(sampler=sampler)
    drawn: dict[tuple[str, ...], None] = {}
    misses = 0
    while len(drawn) < trials and misses < _MOST_MISSES:
        trial = study.ask(dict(space))
        study.tell(trial, 0.0)
        member = tuple(_write_sample(override, trial.params) for override in overrides)
        misses = misses + 1 if member in drawn else 0
        drawn[member] = None
    return [list(member) for member in drawn]


def make_distribution(override: Override) -> "BaseDistribution":
    """Return the distribution of a key: of `interval(a, b)`, `int(interval(a, b))`, `range(…)` or listed values.

    `tag(log, interval(a, b))` draws on the logarithmic scale. Raises ConfigError for an impossible range.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    value: Any = override.value()
    if isinstance(value, IntervalSweep):
        log, start, end = "log" in value.tags, value.start, value.end
        if start is None or end is None or not start < end or (log and start <= 0):
            raise ConfigError(f"{override.input_line}: write interval(low, high) with low < high, above 0 with log.")
        if isinstance(start, int) and isinstance(end, int):
            return IntDistribution(start, end, log=log)
        return FloatDistribution(float(start), float(end), log=log)
    assert isinstance(value, ChoiceSweep | RangeSweep)
    listed = list(override.sweep_iterator(transformer=Transformer.encode))
    return CategoricalDistribution([str(one) for one in listed])


def _write_sample(override: Override, params: Mapping[str, Any]) -> str:
    key = override.get_key_element()
    if key not in params:
        return override.input_line or ""
    value = params[key]
    return f"{key}={value:.6g}" if isinstance(value, float) else f"{key}={value}"
