"""Stories and properties of the heart: no event loop, no clock, no chance."""
