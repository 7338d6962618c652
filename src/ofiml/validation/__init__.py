"""Whether a run can be trusted: leak check, perturbed refit, controls."""
