"""OpenAI-compatible servers: starting them, asking them, and ending them."""
