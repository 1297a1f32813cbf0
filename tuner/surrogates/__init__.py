"""Gaussian processes over a search space."""
