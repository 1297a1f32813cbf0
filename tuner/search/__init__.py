"""Initial design, acquisition, its optimiser, the Optuna sampler, the stopping rule."""
