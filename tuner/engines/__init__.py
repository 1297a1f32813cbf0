"""What is being tuned."""
