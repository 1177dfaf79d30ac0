"""The command `switchgear new-plugin`, and the plugin that it copies."""
