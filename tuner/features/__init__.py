"""Feature models: read, reason, sample. Knows nothing of language models or of search."""
