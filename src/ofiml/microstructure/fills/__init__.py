"""Queue models on the recorded tape of the synthetic market beside what truly becomes of the same orders in it."""
