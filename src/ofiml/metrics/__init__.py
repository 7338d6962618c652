"""Statistics on arrays: scores, block bootstrap, HAC, superiority, overfitting, false discovery."""
