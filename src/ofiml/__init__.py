"""Order flow imbalance: from raw book updates to a logged, cost-aware verdict."""

__version__ = "0.1.0"
