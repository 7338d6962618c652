"""How good the predictions are, how sure one can be of it, and what they rest on."""
