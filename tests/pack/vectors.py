"""Holds verify.py against the public vectors: `vectors.py VERIFY VECTORS`. Used by the suite `pack`."""

import base64
import glob
import importlib.util
import json
import os
import sys

sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("verify", sys.argv[1])
verify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify)


def load(*path):
    with open(os.path.join(sys.argv[2], *path)) as file:
        return json.load(file)


def unbase64(text):
    return base64.b64decode(text or "")


count = 0
for group in load("wycheproof", "ed25519_test.json")["testGroups"]:
    key = bytes.fromhex(group["publicKey"]["pk"])
    for test in group["tests"]:
        good = verify.pure_ed25519(key, bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
        assert good == (test["result"] == "valid"), test["tcId"]
        count += 1

# Strict rules: no point of small order, no second spelling, no cofactor.
STRICT = {"low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R", "low_order_residue"}
for test in load("cctv-ed25519", "ed25519vectors.json"):
    good = verify.pure_ed25519(bytes.fromhex(test["key"]), test["msg"].encode(), bytes.fromhex(test["sig"]))
    assert good == (not STRICT & set(test["flags"] or [])), test["number"]
    count += 1

for path in glob.glob(os.path.join(sys.argv[2], "transparency-dev-merkle/testdata/inclusion/**/*.json"), recursive=True):
    with open(path) as file:
        test = json.load(file)
    leaf, root = unbase64(test["leafHash"]), unbase64(test["root"])
    proof = [unbase64(one) for one in test["proof"] or []]
    # Hashes of another length never reach the function.
    sound = all(len(one) == 32 for one in [leaf, root, *proof])
    good = sound and verify.inclusion_holds(leaf, int(test["leafIdx"]), int(test["treeSize"]), proof, root)
    assert good == (not test["wantErr"]), path
    count += 1

for path in glob.glob(os.path.join(sys.argv[2], "transparency-dev-merkle/testdata/consistency/**/*.json"), recursive=True):
    with open(path) as file:
        test = json.load(file)
    proof = [unbase64(one) for one in test["proof"] or []]
    sizes = int(test["size1"]), int(test["size2"])
    # An empty log proves nothing, and is allowed here; that suite refuses it.
    good = sizes[0] != 0 and all(len(one) == 32 for one in proof) and verify.consistency_holds(
        *sizes, proof, unbase64(test["root1"]), unbase64(test["root2"]))
    assert good == (not test["wantErr"]), path
    count += 1

notes = load("extracted", "signed-note.json")
for test in notes["cases"]:
    try:
        note = verify.parse_note(test["note"].encode())
        keys = [verify.parse_key(text) for text in test["known_vkeys"]]
        said = [verify.signed_by(note, key) for key in keys]
        verified = [key.name for key, good in zip(keys, said) if good] if False not in said else []
        used = [(key.name, key.id) for key, good in zip(keys, said) if good]
        if len(set(used)) != len(used):
            verified = []  # two keys of one name and id are refused where keys are read
    except verify.Bad:
        verified = []
    assert verified == (test["verified"] if test["want"] == "ok" else []), test["name"]
    count += 1
for text in notes["bad_vkeys"]:
    try:
        verify.parse_key(text)
        raise AssertionError(text)
    except verify.Bad:
        count += 1
print("%d public vectors" % count)
