"""Order flow imbalance: flow per event and level, and its reductions over levels."""
