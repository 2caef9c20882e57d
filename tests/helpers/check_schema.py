"""Check JSON files against a schema with a validator that is not ours (python3-jsonschema), and that the keys
of each object come in the order in which the schema has them.

check_schema.py [--any-order] SCHEMA FILE... [-- SCHEMA FILE...]...: a line for each problem; status 0 if there is
none, 2 without the validator. A FILE.jsonl has an object a line. --any-order: the keys may come in any order.
check_schema.py --serve: such arguments a line of standard input, each answered in the file that its first word
names: the status in a line, and the problems.
"""
import json
import os
import shlex
import sys

try:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match
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


def objects_of(name):
    with open(name, encoding="utf-8") as file:
        text = file.read()
    return [json.loads(each) for each in (text.splitlines() if name.endswith(".jsonl") else [text])]


def problems_of(path, names, any_order):
    """A line for each problem of these files by the schema in the file path."""
    with open(path, encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for name in names:
        objects = objects_of(name)
        told = [] if objects else ["there is nothing in it"]
        for data in objects:
            errors = [best_match([e]) for e in validator.iter_errors(data)]
            told += [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:500]}" for e in errors]
            told += [] if any_order else out_of_order(data, schema, "")
        yield from (f"{name}: {text}" for text in told)


def told_of(words):
    """The problems that arguments ask for."""
    any_order = words[0] == "--any-order"
    groups = [[]]
    for word in words[1:] if any_order else words:
        groups += [[]] if word == "--" else []
        groups[-1] += [] if word == "--" else [word]
    return [each for path, *names in groups for each in problems_of(path, names, any_order)]


def serve():
    for line in sys.stdin:
        answer, *words = shlex.split(line)
        problems = told_of(words)
        with open(answer + ".part", "w", encoding="utf-8") as file:
            file.write("\n".join([str(1 if problems else 0), *problems, ""]))
        os.rename(answer + ".part", answer)


def main():
    if sys.argv[1] == "--serve":
        return serve()
    problems = told_of(sys.argv[1:])
    if problems:
        print("\n".join(problems))
    sys.exit(1 if problems else 0)


main()
