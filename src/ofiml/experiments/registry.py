"""The experiments by name: one for each module in `recipes`."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from ofiml.errors import ConfigError
from ofiml.experiments.bench import Bench
from ofiml.experiments.page import Page


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment: its title, its question, and the function that runs it on a bench.

    `markets` are those that it studies if no other is given: names with overrides.
    """

    title: str
    question: str
    run: Callable[[Bench], Page]
    markets: dict[str, str]


def list_experiments() -> list[str]:
    """List the names of all experiments."""
    recipes = importlib.import_module("ofiml.experiments.recipes")
    return sorted(module.name for module in pkgutil.iter_modules(recipes.__path__) if not module.name.startswith("_"))


def find_experiment(name: str) -> Experiment:
    """Find an experiment by its name; raise ConfigError for another name."""
    if name not in list_experiments():
        raise ConfigError(f"there is no experiment {name!r}; the experiments are {', '.join(list_experiments())}.")
    experiment = importlib.import_module(f"ofiml.experiments.recipes.{name}").EXPERIMENT
    assert isinstance(experiment, Experiment)
    return experiment
