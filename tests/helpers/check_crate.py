"""An RO-Crate with a run, read by rdflib: check_crate.py FOLDER. Says what is missing; status 1 if anything is.

The crate is read as it is, with the context that it names: rdflib asks a local loader for it, which knows the terms
of ro_crate_context.json and nothing else, and opens no address.
"""
import hashlib
import json
import pathlib
import sys

import rdflib
from rdflib.namespace import RDF
from rdflib.plugins.shared.jsonld import context as loading

S = rdflib.Namespace("http://schema.org/")
DCT = rdflib.Namespace("http://purl.org/dc/terms/")
LOCAL = json.loads((pathlib.Path(__file__).resolve().parent / "ro_crate_context.json").read_text())
asked = []


def load(source):
    asked.append(source)
    if source != LOCAL["@id"]:
        raise ValueError(f"no context {source} here")
    return LOCAL


loading.source_to_json = load
folder = pathlib.Path(sys.argv[1]).resolve()
data = json.loads((folder / "ro-crate-metadata.json").read_text())
wrong = []


def must(holds, text):
    if not holds:
        wrong.append(text)


def unknown(value):
    """Terms that the context does not have: rdflib drops what they say without a word."""
    if isinstance(value, list):
        return set().union(*map(unknown, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    terms = {key for key in value if not key.startswith("@")}
    kinds = value.get("@type", [])
    terms |= set(kinds if isinstance(kinds, list) else [kinds])
    return {term for term in terms if term not in LOCAL["@context"]}.union(*map(unknown, value.values()))


if data["@context"] != LOCAL["@id"]:
    print("the context")
    sys.exit(1)
must(not unknown(data["@graph"]), f"no terms of the context: {sorted(unknown(data['@graph']))}")
base = folder.as_uri() + "/"
graph = rdflib.Graph()
graph.parse(data=(folder / "ro-crate-metadata.json").read_text(), format="json-ld", publicID=base)
must(asked == [LOCAL["@id"]], "the context was loaded")

descriptor, root = rdflib.URIRef(base + "ro-crate-metadata.json"), rdflib.URIRef(base)
must((descriptor, RDF.type, S.CreativeWork) in graph, "the descriptor's type")
must((descriptor, S.about, root) in graph, "the descriptor is about the root")
must((descriptor, DCT.conformsTo, rdflib.URIRef("https://w3id.org/ro/crate/1.3")) in graph, "conformsTo 1.3")
must((root, RDF.type, S.Dataset) in graph, "the root is a Dataset")
for key in (S.name, S.description, S.datePublished, S.license):
    must(graph.value(root, key) is not None, f"the root's {key}")
profile = rdflib.URIRef("https://w3id.org/ro/wfrun/process/0.5")
must((root, DCT.conformsTo, profile) in graph, "the root conforms to the profile")
must((profile, RDF.type, S.CreativeWork) in graph, "the profile is described")

actions = list(graph.subjects(RDF.type, S.CreateAction))
must(len(actions) == 1, "one CreateAction")
for action in actions:
    must((root, S.mentions, action) in graph, "the root mentions the action")
    tool = graph.value(action, S.instrument)
    must((tool, RDF.type, S.SoftwareApplication) in graph, "the instrument is software")
    must(graph.value(tool, S.softwareVersion) is not None, "its version")
    for key in (S.name, S.description, S.startTime, S.endTime, S.actionStatus):
        must(graph.value(action, key) is not None, f"the action's {key}")
    for key in (S.object, S.result):
        parts = list(graph.objects(action, key))
        must(parts, f"the action's {key}")
        for part in parts:
            if key == S.object and (part, RDF.type, S.PropertyValue) in graph:
                must(graph.value(part, S.name) and graph.value(part, S.value), f"{part} has a name and a value")
                continue
            must((root, S.hasPart, part) in graph, f"{part} is a part")

files = set(graph.objects(root, S.hasPart))
there = {p for p in folder.rglob("*") if p.is_file()} - {folder / "ro-crate-metadata.json"}
must({str(f) for f in files} == {p.as_uri() for p in there}, "the parts are the files")
for path in there:
    part = rdflib.URIRef(path.as_uri())
    must((part, RDF.type, S.MediaObject) in graph, f"{path.name} is a File")
    must(str(graph.value(part, S.contentSize)) == str(path.stat().st_size), f"{path.name}: contentSize")
    must(str(graph.value(part, S.sha256)) == hashlib.sha256(path.read_bytes()).hexdigest(), f"{path.name}: sha256")
    must(graph.value(part, S.encodingFormat) is not None, f"{path.name}: encodingFormat")

print("\n".join(wrong) if wrong else f"{len(graph)} triples, {len(files)} files")
sys.exit(1 if wrong else 0)
