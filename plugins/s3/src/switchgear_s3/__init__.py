"""The switchgear plugin for s3."""
