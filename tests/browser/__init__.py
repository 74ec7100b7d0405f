"""Whole visits in real browsers with fake cameras, as people have them."""
