"""Tests of the shell, in the order of its files."""
