"""The rules, one file each; docs/add-a-strategy.md shows how to add one.

A file `NAME.py` has the schema of `conf/strategy/NAME.yaml` and `RULE`, the record that the config and the strategy
read. It is imported for every config check, so it imports nothing heavier than numpy at its top. `_template.py` is a
rule to copy. Installed packages add rules by the entry point `ofiml.strategies` (`config.registry`).
"""
