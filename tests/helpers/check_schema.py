"""Check JSON files against a schema with a validator that is not ours (python3-jsonschema), and that the keys
of each object come in the order in which the schema has them.

check_schema.py SCHEMA FILE...: a line for each problem; status 0 if there is none, 2 without the validator.
"""
import json
import sys

try:
    from jsonschema import Draft202012Validator
except ImportError:
    sys.exit(2)


def out_of_order(value, schema, path):
    """The first key that stands behind one which the schema has behind it."""
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from out_of_order(each, schema.get("items", {}), f"{path}[{index}]")
    elif isinstance(value, dict):
        places = list(properties)
        found = [places.index(key) for key in value if key in places]
        if found != sorted(found):
            yield f"{path or 'the whole'}: keys stand in another order: {' '.join(value)}"
        for key, each in value.items():
            yield from out_of_order(each, properties.get(key, {}), f"{path}.{key}")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    validator, problems = Draft202012Validator(schema), 0
    for name in sys.argv[2:]:
        with open(name, encoding="utf-8") as file:
            data = json.load(file)
        told = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(data)]
        for text in told + list(out_of_order(data, schema, "")):
            print(f"{name}: {text}")
            problems += 1
    sys.exit(1 if problems else 0)


main()
