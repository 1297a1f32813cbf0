"""Answer quality: graded prompts."""
