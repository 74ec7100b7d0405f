"""The OpenAPI 3.1 document, made from the table of operations; what is not in the table does not exist."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from server.registry.names import ID_PATTERN
from server.web.api.operation import LAST_CURSOR, LONGEST_PAGE, PAGE, Nothing, Operation
from server.web.problems import STATUS, ProblemBody

REF = "#/components/schemas/{name}"
_QUERY: dict[str, dict[str, Any]] = {
    "after": {"type": "integer", "minimum": 0, "maximum": LAST_CURSOR, "default": 0},
    "limit": {"type": "integer", "minimum": 1, "maximum": LONGEST_PAGE, "default": PAGE},
}


def document(operations: Sequence[Operation[Any]], *, version: str, url: str) -> dict[str, Any]:
    """Return the document as plain JSON values."""
    shapes: list[Any] = [ProblemBody]
    for operation in operations:
        shapes += [shape for shape in (operation.body, operation.answer) if shape not in (None, Nothing, *shapes)]
    refs, components = msgspec.json.schema_components(shapes, ref_template=REF)
    schema = dict(zip(shapes, refs, strict=True))
    for shape in _structs(shapes):
        _describe(components[shape.__name__], shape)

    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schema)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Carelobby", "version": version, "description": "Telehealth waiting rooms and visits."},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key; each has scopes."},
            },
        },
    }


def _structs(shapes: Sequence[Any]) -> Iterator[type[msgspec.Struct]]:
    """Yield each struct among `shapes` and within them, once."""
    rest: list[Any] = list(msgspec.inspect.multi_type_info(shapes))
    seen: set[type[msgspec.Struct]] = set()
    while rest:
        one = rest.pop()
        if isinstance(one, msgspec.inspect.StructType):
            if one.cls in seen:
                continue
            seen.add(one.cls)
            yield one.cls
            rest += [field.type for field in one.fields]
            continue
        for name in ("type", "item_type", "value_type"):
            rest += [getattr(one, name)] if hasattr(one, name) else []
        rest += getattr(one, "types", ()) or getattr(one, "item_types", ())


def _describe(component: dict[str, Any], shape: type[msgspec.Struct]) -> None:
    """Tell of each field what the sentence below it says: what the API asks for is described where it is asked for."""
    properties = component.get("properties", {})
    [made] = ast.parse(textwrap.dedent(inspect.getsource(shape))).body
    assert isinstance(made, ast.ClassDef), "the source of a class is a class"
    for field, below in zip(made.body, made.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            said = ast.literal_eval(below.value)
            properties[field.target.id]["description"] = inspect.cleandoc(said)


def _operation(operation: Operation[Any], schema: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", operation.path)
    path = [
        {"name": n, "in": "path", "required": True, "schema": {"type": "string", "pattern": ID_PATTERN}} for n in names
    ]
    query = [{"name": n, "in": "query", "schema": _QUERY[n]} for n in operation.query]
    made: dict[str, Any] = {
        "operationId": f"{operation.method.lower()}_{re.sub(r'[^a-z]+', '_', operation.path[4:].lower()).strip('_')}",
        "summary": operation.summary,
        "responses": _responses(operation, schema, bool(names)),
    }
    if path or query:
        made["parameters"] = [*path, *query]
    if operation.body is not Nothing:
        required = bool(msgspec.structs.fields(operation.body)) and any(
            one.required for one in msgspec.structs.fields(operation.body)
        )
        made["requestBody"] = {
            "required": required,
            "content": {"application/json": {"schema": schema[operation.body]}},
        }
    if operation.scope is not None:
        made["security"] = [{"key": [operation.scope]}]
    return made


def _responses(operation: Operation[Any], schema: dict[Any, dict[str, Any]], has_path: bool) -> dict[str, Any]:
    if operation.text is not None:
        text = {operation.text: {"schema": {"type": "string"}}}
        responses: dict[str, Any] = {"200": {"description": "Done", "content": text}}
    elif operation.answer is None:
        responses = {"204": {"description": "Done"}}
    else:
        content = {"application/json": {"schema": schema[operation.answer]}}
        responses = {"200": {"description": "Done", "content": content}}
        if operation.created:
            responses["201"] = {"description": "Made", "content": content}
    codes = {*operation.problems, "unavailable"}
    if operation.scope is not None:
        codes |= {"bad_credentials", "forbidden"}
    if operation.browser:
        codes.add("forbidden")
    if has_path or operation.query or operation.body is not Nothing:
        codes.add("invalid")
    if operation.body is not Nothing:
        codes.add("too_large")
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes):
        by_status.setdefault(STATUS[code], []).append(f"`{code}`")
    problem = {"application/problem+json": {"schema": schema[ProblemBody]}}
    for status, said in sorted(by_status.items()):
        responses[str(status)] = {"description": ", ".join(said), "content": problem}
    return responses
