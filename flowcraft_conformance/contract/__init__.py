"""The contract: protocols, payloads, blueprints, keys, capabilities, clauses and verdicts."""
