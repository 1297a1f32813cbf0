"""Find how to run a language model with less energy without making it slow or wrong."""
