"""`switchgear validate`: may this configuration be deployed, and does the process that runs it do what it says?

All that has to be asked (the file, the backends, the process, promtool) is asked first, and written down as facts. What
follows from them is said by checks: small pure functions, listed in `_table.py`.
"""
