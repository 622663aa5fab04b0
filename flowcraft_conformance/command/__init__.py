"""The command ``flowcraft-conformance``: runs the kit, and reads what its runs have written."""
