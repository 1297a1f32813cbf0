"""Terminal view and plots."""
