"""What a finished study tells: front, recommendation, export."""
