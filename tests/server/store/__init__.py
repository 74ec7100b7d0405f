"""The store: one suite that memory and a real Valkey both pass, and what only Redis must withstand."""
