"""The `tune` command: parses, calls, prints."""
