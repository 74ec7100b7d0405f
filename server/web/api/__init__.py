"""The HTTP API: tables of operations, from which routes and the OpenAPI document are made."""
