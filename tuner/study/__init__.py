"""The loop: ask, measure, tell, resume; the specification of a study."""
