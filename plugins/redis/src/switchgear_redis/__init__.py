"""The switchgear plugin for redis."""
