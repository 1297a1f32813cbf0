"""Samplers side by side on a live engine: they take turns, and share what was measured."""
