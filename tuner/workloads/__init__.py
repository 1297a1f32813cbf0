"""The requests that an engine is driven with."""
