"""The switchgear plugin for db."""
