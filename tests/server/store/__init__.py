"""Tests of the live state's adapters."""
