"""The checks of a run: leak check and controls.

`leak_check` replaces the data after sampled times and requires unchanged values up to them. `perturbed_refit` refits a
fold with all rows outside its train rows altered. `controls` runs the pipeline on labels without signal and compares
the model with naive forecasts.
"""
