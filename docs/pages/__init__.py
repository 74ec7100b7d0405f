"""The generated documents, one module each: pure functions from the code to a page."""
