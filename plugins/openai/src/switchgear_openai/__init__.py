"""The switchgear plugin for openai."""
