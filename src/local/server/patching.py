"""How patches change ministack: by taking the place of one of its functions, which they are handed to call."""

import functools
import json


def wrap(module, name: str):
    """Puts the decorated function in place of a module's function; it gets the original as its first argument."""

    def install(function):
        original = getattr(module, name)
        wrapped = functools.partial(function, original)
        setattr(module, name, wrapped)
        for table in [value for value in vars(module).values() if isinstance(value, dict)]:
            for key, value in table.items():
                if value is original:
                    table[key] = wrapped
        return function

    return install


def add_operation(module, action: str):
    """Adds a JSON operation that a ministack module does not know."""

    def install(function):
        @wrap(module, "handle_request")
        async def handle(original, method, path, headers, body, query_params, **options):
            if headers.get("x-amz-target", "").endswith("." + action):
                return function(json.loads(body or b"{}"))
            return await original(method, path, headers, body, query_params, **options)

        return function

    return install


def changed(response, change):
    """A JSON response with its successful answer changed by a function."""
    status, headers, body = response
    if status != 200:
        return response
    answer = json.loads(body)
    change(answer)
    return status, headers, json.dumps(answer).encode()
