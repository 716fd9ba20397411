#!/usr/bin/env python3
"""Checks an evidence pack of leaver, without a network and without trusting whoever made it.

    python3 verify.py [DIR] [--checkpoint FILE]... [--key VKEY]... [--hr FILE] [--json]

DIR is the pack; where it is not given, the folder that this file lies in. Python 3.9 or newer is all that is needed.
Exit code: 0 verified, 1 not verified, 2 wrong usage. This is a second implementation of `leaver verify` and shares no
code with it. It recomputes every hash, the chain, the tree, the signatures and the tables of rows and of cases; the
tables that it cannot recompute, it names.
"""

import argparse
import base64
import binascii
import csv
import datetime
import hashlib
import io
import json
import os
import re
import stat
import sys
from collections import namedtuple

# Limits. A pack that goes beyond them is not one that leaver makes.
MAX_PROBLEMS = 50
MAX_FILES = 10_000
MAX_DEPTH = 3
MAX_SMALL = 64 * 1024
MAX_RANGE = 256 * 1024
MAX_LARGE = 16 * 1024 * 1024
MAX_LINE = 8 * 1024 * 1024
MAX_ENTRY = 65_535
MAX_KEYS = 64
MAX_SIGNATURES = 100
MAX_HR = 64 * 1024 * 1024
MAX_U64 = 2**64 - 1
MAX_NESTING = 127
SAMPLE = 25
# Which wording the files have that are not tables.
FORM = 2

ZERO = bytes(32)
PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,127}){0,2}")
HEX64 = re.compile(r"[0-9a-f]{64}")

KINDS = [
    "revocation_triggered", "validation_completed", "access_revoked", "account_disabled", "data_archived",
    "verification_completed", "notification_sent", "revocation_failed", "approval_requested", "task_opened",
    "case_closed", "plan_previewed", "approval_decided", "population_counted", "evidence_exported", "approval_escalated",
    "approval_expired", "task_closed", "case_held", "case_released", "case_cancelled", "access_restored",
    "restoration_triggered", "measure_requested", "measure_began", "measure_ended",
    "orphan_found", "orphan_settled", "batch_changed", "case_forced", "ownership_transferred", "data_held", "archive_read",
    "risk_assessed",
]
REVIEW_KINDS = ("task_opened", "task_closed", "notification_sent", "approval_escalated")
OUTCOMES = ["success", "failure", "not_applicable", "pending"]
RISKS = [None, "clean", "notable", "flagged"]


class Bad(Exception):
    """Something in the pack is not what it must be; the text says what."""


# ---------------------------------------------------------------------------------------------------------------------
# What was found

HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def shown(text):
    """A text from the pack as it may be printed: nothing that steers a terminal, and not too long."""
    text = HIDDEN.sub("?", text)
    return text if len(text) <= 100 else text[:100] + "..."


class Report:
    def __init__(self):
        self.problems, self.count, self.first_bad_row = [], 0, None
        self.unchecked, self.remarks = [], []
        self.log, self.first, self.rows, self.cases, self.root = "", 0, 0, 0, None

    def bad(self, what, row=None, file=None):
        self.count += 1
        if row is not None and (self.first_bad_row is None or row < self.first_bad_row):
            self.first_bad_row = row
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append({"row": row, "file": file, "what": what})

    def could_not(self, what):
        if what not in self.unchecked and len(self.unchecked) < MAX_PROBLEMS:
            self.unchecked.append(what)

    def remark(self, what):
        if len(self.remarks) < MAX_PROBLEMS:
            self.remarks.append(what)

    def json(self):
        return {
            "verified": self.count == 0, "first_bad_row": self.first_bad_row, "problems": self.problems,
            "more_problems": self.count - len(self.problems), "remarks": self.remarks, "unchecked": self.unchecked,
            "log": self.log, "first": self.first, "rows": self.rows, "cases": self.cases,
            "root": self.root.hex() if self.root else None,
        }

    def words(self):
        lines = []
        if self.count == 0:
            lines.append(
                "VERIFIED: %d rows from row %d of the log %s, %d cases, root %s"
                % (self.rows, self.first, shown(self.log), self.cases, self.root.hex() if self.root else "-"))
        else:
            lines.append("NOT VERIFIED: %s" % say(self.first_problem()))
            lines.append("problems: %d" % self.count)
            lines += ["  " + say(problem) for problem in self.problems]
            if self.count > len(self.problems):
                lines.append("  and %d more" % (self.count - len(self.problems)))
        for name, texts in (("remarks", self.remarks), ("could not check", self.unchecked)):
            if texts:
                lines.append("%s:" % name)
                lines += ["  " + text for text in texts]
        return "\n".join(lines)

    def first_problem(self):
        located = [p for p in self.problems if p["row"] is not None and p["row"] == self.first_bad_row]
        return (located or self.problems)[0]


def say(problem):
    if problem["row"] is not None:
        return "row %d: %s" % (problem["row"], problem["what"])
    return "%s: %s" % (problem["file"], problem["what"]) if problem["file"] else problem["what"]


# ---------------------------------------------------------------------------------------------------------------------
# JSON of one meaning: UTF-8, no doubled names, no numbers beyond the others' range, not nested without end

def object_without_doubles(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Bad("doubled name")
    return result


def integer(text):
    value = int(text) if len(text) <= 20 else None
    if text == "-0" or value is None or not -(2**63) <= value <= MAX_U64:
        return real(text)
    return value


def real(text):
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Bad("number out of range")
    return value


def refuse_constant(text):
    raise Bad("not a number: " + text)


def nesting(value):
    """How deep it is nested; without recursion."""
    deepest, todo = 0, [(value, 1)]
    while todo:
        value, depth = todo.pop()
        if isinstance(value, (dict, list)):
            deepest = max(deepest, depth)
            todo += [(inner, depth + 1) for inner in (value.values() if isinstance(value, dict) else value)]
    return deepest


SURROGATE = re.compile("[\ud800-\udfff]")
DECODER = json.JSONDecoder(
    object_pairs_hook=object_without_doubles, parse_int=integer, parse_float=real, parse_constant=refuse_constant)


def parse_json(data):
    """The value of these bytes (or of this text)."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        value = DECODER.decode(text)
        # Only an escape can bring half a character in.
        if "\\u" in text and SURROGATE.search(json.dumps(value, ensure_ascii=False)):
            raise Bad("half a character")
    except (ValueError, RecursionError, OverflowError, Bad):
        raise Bad("not JSON of one meaning") from None
    if text.count("[") + text.count("{") > MAX_NESTING and nesting(value) > MAX_NESTING:
        raise Bad("not JSON of one meaning")
    return value


def same(a, b):
    """Whether two JSON values are the same; unlike `==`, which takes 1, 1.0 and true for one another."""
    todo = [(a, b)]
    while todo:
        a, b = todo.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, dict):
            if a.keys() != b.keys():
                return False
            todo += [(a[name], b[name]) for name in a]
        elif isinstance(a, list):
            if len(a) != len(b):
                return False
            todo += zip(a, b)
        elif isinstance(a, float):
            # Other parsers may be off by the last bit.
            if a != b and abs(a - b) > 1e-14 * max(abs(a), abs(b)):
                return False
        elif a != b:
            return False
    return True


def at(value, *path):
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value


def text_at(value, *path):
    found = at(value, *path)
    return found[:300] if isinstance(found, str) else ""


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_U64


def unbase64(text):
    """Standard base64, padded, with nothing left over: exactly one text for each byte string."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise Bad("not base64") from None
    if base64.b64encode(data).decode() != text:
        raise Bad("not base64")
    return data


# ---------------------------------------------------------------------------------------------------------------------
# Entries

Entry = namedtuple(
    "Entry", "origin seq previous event_id case_id ordinal kind occurred_at recorded_at username actor system action"
    " outcome risk evidence salt")

DOMAIN = b"leaver/ledger/entry"
# The instants that RFC 3339 can write: the years 1 to 9999.
FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
EPOCH = datetime.datetime(1970, 1, 1)
DAY = 86_400_000


class Reader:
    def __init__(self, data):
        self.data, self.position = data, 0

    def take(self, count, field):
        end = self.position + count
        if end > len(self.data):
            raise Bad("the entry ends within its field %s" % field)
        part = self.data[self.position:end]
        self.position = end
        return part

    def number(self, width, field, signed=False):
        return int.from_bytes(self.take(width, field), "big", signed=signed)

    def bytes(self, field):
        return self.take(self.number(4, field), field)

    def text(self, field):
        try:
            return self.bytes(field).decode("utf-8")
        except UnicodeDecodeError:
            raise Bad("field %s is not UTF-8" % field) from None

    def code(self, names, field):
        code = self.number(1, field)
        if code >= len(names):
            raise Bad("field %s has a value that is not known" % field)
        return names[code]

    def instant(self, field):
        ms = self.number(8, field, signed=True)
        if not FIRST_MS <= ms <= LAST_MS:
            raise Bad("field %s has a value that is not known" % field)
        return ms

    def optional(self, field):
        return self.text(field) if self.code([False, True], field) else None


def decode(data):
    """The entry of these bytes; every other byte string is refused."""
    if len(data) > MAX_ENTRY:
        raise Bad("the entry is longer than %d bytes" % MAX_ENTRY)
    r = Reader(data)
    if r.bytes("domain") != DOMAIN:
        raise Bad("field domain has a value that is not known")
    if r.number(1, "version") != 1:
        raise Bad("field version has a value that is not known")
    entry = Entry(
        r.text("origin"), r.number(8, "seq"), r.take(32, "previous"), r.text("event_id"), r.text("case_id"),
        r.number(4, "ordinal"), r.code(KINDS, "kind"), r.instant("occurred_at"), r.instant("recorded_at"),
        r.text("username"), r.text("actor"), r.optional("system"), r.text("action"), r.code(OUTCOMES, "outcome"),
        r.code(RISKS, "risk"), r.take(32, "evidence"), r.take(16, "salt"))
    if r.position != len(data):
        raise Bad("the entry has %d bytes behind its last field" % (len(data) - r.position))
    return entry


def encode(entry):
    """The canonical bytes, written from the fields alone."""
    def field(text):
        data = text.encode("utf-8")
        return len(data).to_bytes(4, "big") + data

    system = b"\0" if entry.system is None else b"\1" + field(entry.system)
    return b"".join((
        len(DOMAIN).to_bytes(4, "big"), DOMAIN, b"\1", field(entry.origin), entry.seq.to_bytes(8, "big"), entry.previous,
        field(entry.event_id), field(entry.case_id), entry.ordinal.to_bytes(4, "big"),
        bytes([KINDS.index(entry.kind)]), entry.occurred_at.to_bytes(8, "big", signed=True),
        entry.recorded_at.to_bytes(8, "big", signed=True), field(entry.username), field(entry.actor), system,
        field(entry.action), bytes([OUTCOMES.index(entry.outcome), RISKS.index(entry.risk)]), entry.evidence, entry.salt))


def instant(ms):
    when = EPOCH + datetime.timedelta(milliseconds=ms)
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (
        when.year, when.month, when.day, when.hour, when.minute, when.second, ms % 1000)


INSTANT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z", re.ASCII)


def parse_instant(text):
    """Milliseconds since 1970 of an instant in the one form that leaver writes."""
    found = INSTANT.fullmatch(text) if isinstance(text, str) else None
    try:
        parts = [int(part) for part in found.groups()]
        when = datetime.datetime(*parts[:6])
    except (AttributeError, ValueError):
        raise Bad("not an instant") from None
    return (when - EPOCH) // datetime.timedelta(seconds=1) * 1000 + parts[6]


ANY_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)


def same_instant(text):
    """An instant of the facts as the tables write it: in UTC, to the millisecond; nothing where it is none."""
    found = ANY_INSTANT.fullmatch(text)
    if found is None:
        return ""
    try:
        when = datetime.datetime(*[int(part) for part in found.groups()[:6]])
        if found[8]:
            offset = datetime.timedelta(hours=int(found[9]), minutes=int(found[10]))
            when = when - offset if found[8] == "+" else when + offset
    except (ValueError, OverflowError):
        return ""
    seconds = (when - EPOCH) // datetime.timedelta(seconds=1)
    return instant(seconds * 1000 + int((found[7] or "0")[:3].ljust(3, "0")))


def is_access_row(entry):
    return entry.kind in ("revocation_triggered", "access_revoked")


def opens_case(entry):
    return (entry.kind in ("revocation_triggered", "restoration_triggered", "plan_previewed") and entry.system is None
            and entry.ordinal == 0)


def view_of(entry, digest, evidence):
    """What rows.jsonl shows of a row for people and programs to read."""
    def revocation(name):
        value = at(evidence, "revocation", name)
        return at(evidence, "facts", "revocation", name) if value is None else value

    return {
        "seq": entry.seq, "event_id": entry.event_id, "case_id": entry.case_id,
        "timestamp": instant(entry.occurred_at), "recorded_at": instant(entry.recorded_at), "event_type": entry.kind,
        "access_row": is_access_row(entry),
        "user": {"username": entry.username, "employee_id": at(evidence, "user", "employee_id")},
        "actor": entry.actor, "system": entry.system, "action": entry.action, "result": entry.outcome,
        "risk": entry.risk,
        "revocation": {
            "type": revocation("type"), "reason": revocation("reason"), "triggered_by": revocation("triggered_by"),
            "executor": entry.actor, "actions_taken": at(evidence, "facts", "actions_taken")},
        "before_state": at(evidence, "facts", "before_state"), "after_state": at(evidence, "facts", "after_state"),
        "verification": at(evidence, "facts", "verification"), "facts": at(evidence, "facts"),
        "previous": entry.previous.hex(), "hash": digest.hex(),
    }


# ---------------------------------------------------------------------------------------------------------------------
# The tree of RFC 6962

def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(data):
    return sha256(b"\0" + data)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


class Tree:
    """One hash for each set bit of the size, the largest subtree first."""

    def __init__(self, size=0, hashes=()):
        self.size, self.hashes = size, list(hashes)

    def push(self, leaf):
        size = self.size
        while size & 1:
            leaf = node_hash(self.hashes.pop(), leaf)
            size >>= 1
        self.hashes.append(leaf)
        self.size += 1

    def root(self):
        if not self.hashes:
            return sha256(b"")
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def earlier_root(self, size):
        """The root when the log had this size; None where these hashes do not tell."""
        kept, left = [], size
        for bit, subtree in zip((b for b in reversed(range(64)) if self.size >> b & 1), self.hashes):
            if left and left >= 1 << bit:
                kept.append(subtree)
                left -= 1 << bit
        return Tree(size, kept).root() if left == 0 and size <= self.size else None


def inclusion_holds(leaf, index, size, proof, root):
    """RFC 9162, 2.1.3.2."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def consistency_holds(first, second, proof, first_root, second_root):
    """RFC 9162, 2.1.4.2. Of an empty log, nothing can be proved and nothing must be."""
    if first > second:
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof and first_root == sha256(b"")
    if not proof:
        return False
    if first & (first - 1) == 0:
        proof = [first_root] + proof
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == first_root and sr == second_root


# ---------------------------------------------------------------------------------------------------------------------
# Ed25519 (RFC 8032), verification only, strict: no second spelling of a point, no point of small order

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def point(data):
    """The point of these 32 bytes, as (X, Y, Z, T); None where there is none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT_OF_MINUS_1 % P
    if x * x % P != square or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(n, p):
    result = (0, 1, 1, 0)
    while n:
        if n & 1:
            result = add(result, p)
        p = add(p, p)
        n >>= 1
    return result


def equal(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
NEUTRAL = (0, 1, 1, 0)


def pure_ed25519(key, message, signature):
    if len(key) != 32 or len(signature) != 64:
        return False
    a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L or equal(times(8, a), NEUTRAL) or equal(times(8, r), NEUTRAL):
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    return equal(times(s, BASE), add(r, times(k, a)))


def library_ed25519(key, message, signature):
    """What an installed library says; None where there is none."""
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except Exception:  # whatever is wrong with an installation, we do not need it
        return None
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except Exception:
        return False


def ed25519(key, message, signature):
    """Both must agree where a library is installed: two people's mistakes are needed to be fooled."""
    return pure_ed25519(key, message, signature) and library_ed25519(key, message, signature) is not False


# ---------------------------------------------------------------------------------------------------------------------
# Signed notes and checkpoints (C2SP)

Key = namedtuple("Key", "name id type public text")
Note = namedtuple("Note", "text signatures")
Checkpoint = namedtuple("Checkpoint", "origin size root")
LOG_KEY, WITNESS_KEY = 1, 4


def key_name_is_good(name):
    return bool(name) and "+" not in name and not any(c.isspace() or ord(c) < 32 for c in name)


def parse_key(text):
    parts = text.split("+", 2)
    if len(parts) != 3 or not key_name_is_good(parts[0]) or not re.fullmatch("[0-9a-f]{8}", parts[1]):
        raise Bad("not a key")
    data = unbase64(parts[2])
    if len(data) != 33 or data[0] not in (LOG_KEY, WITNESS_KEY):
        raise Bad("not a key")
    public = point(data[1:])
    if public is None or equal(times(8, public), NEUTRAL):
        raise Bad("not a key")
    if sha256(parts[0].encode("utf-8") + b"\n" + data)[:4].hex() != parts[1]:
        raise Bad("not a key")
    return Key(parts[0], bytes.fromhex(parts[1]), data[0], data[1:], text)


def parse_note(data):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("not a signed note") from None
    split = text.rfind("\n\n")
    if len(data) > MAX_SMALL or any(ord(c) < 32 and c != "\n" for c in text) or split < 0 or text[-1] != "\n":
        raise Bad("not a signed note")
    lines = text[split + 2:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise Bad("not a signed note")
    signatures = []
    for line in lines:
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014" or not key_name_is_good(parts[1]):
            raise Bad("not a signed note")
        signature = unbase64(parts[2])
        if len(signature) < 5:
            raise Bad("not a signed note")
        signatures.append((parts[1], signature[:4], signature[4:]))
    return Note(text[:split + 1], signatures)


def signed_by(note, key):
    """True: it did. False: a signature says so and is wrong. None: it did not."""
    found = [s for name, id, s in note.signatures if name == key.name and id == key.id]
    if not found:
        return None
    for signature in found:
        message = note.text
        if key.type == WITNESS_KEY:
            if len(signature) != 72:
                return False
            if signature[0] > 127:
                return False
            message = "cosignature/v1\ntime %d\n%s" % (int.from_bytes(signature[:8], "big"), note.text)
            signature = signature[8:]
        if not ed25519(key.public, message.encode("utf-8"), signature):
            return False
    return True


def parse_checkpoint(text):
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or any(ord(c) < 32 for c in lines[0]) or not re.fullmatch("0|[1-9][0-9]{0,19}", lines[1]) or "" in lines[3:-1]:
        raise Bad("not a checkpoint")
    root = unbase64(lines[2])
    if len(root) != 32 or int(lines[1]) > MAX_U64:
        raise Bad("not a checkpoint")
    return Checkpoint(lines[0], int(lines[1]), root)


# ---------------------------------------------------------------------------------------------------------------------
# The directory

def sound(text):
    """A file's name as it may be printed; names need not be UTF-8."""
    return shown(os.fsencode(text).decode("utf-8", "replace"))


def plain(directory, path):
    """The file's size where it is a plain file reached through plain folders; None where it is missing."""
    here = directory
    parts = path.split("/")
    for place, part in enumerate(parts):
        here = os.path.join(here, part)
        try:
            mode = os.lstat(here)
        except (OSError, ValueError):
            return None
        last = place == len(parts) - 1
        if not (stat.S_ISREG(mode.st_mode) if last else stat.S_ISDIR(mode.st_mode)):
            raise Bad("it is not a plain file")
    return mode.st_size


def read(directory, path, limit):
    """The bytes of a small file."""
    size = plain(directory, path)
    if size is None:
        raise Bad("it is missing")
    try:
        with open(os.path.join(directory, path), "rb") as file:
            data = file.read(limit + 1)
    except OSError:
        raise Bad("it cannot be read") from None
    if len(data) > limit:
        raise Bad("it is larger than %d bytes" % limit)
    return data


def digest_of(directory, path):
    digest = hashlib.sha256()
    with open(os.path.join(directory, path), "rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()


def walk(directory, report):
    """The paths of all files there are."""
    found, todo, count = [], [("", 1)], 0
    while todo:
        under, depth = todo.pop()
        try:
            with os.scandir(os.path.join(directory, under)) as entries:
                entries = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        except OSError:
            report.bad("it cannot be read", file=sound(under) or None)
            continue
        for entry in entries:
            count += 1
            if count > MAX_FILES:
                report.bad("there are more than %d files" % MAX_FILES)
                return found
            path = under + entry.name
            if entry.is_dir(follow_symlinks=False):
                if depth == MAX_DEPTH:
                    report.bad("it is not listed in manifest.json", file=sound(path))
                else:
                    todo.append((path + "/", depth + 1))
            else:
                found.append((path, entry.is_file(follow_symlinks=False)))
    return sorted(found, key=lambda item: os.fsencode(item[0]))


def manifest_files(directory):
    data = read(directory, "manifest.json", MAX_LARGE)
    try:
        value = parse_json(data)
    except Bad:
        raise Bad("it is not JSON of one meaning") from None
    files = at(value, "files")
    if set(value if isinstance(value, dict) else ()) != {"version", "files"} or not same(value["version"], 1):
        raise Bad("it is not a manifest of version 1")
    if not isinstance(files, dict) or len(files) > MAX_FILES:
        raise Bad("it is not a manifest of version 1")
    for path, told in files.items():
        if not PATH.fullmatch(path) or path == "manifest.json":
            raise Bad("it lists a path that no pack has: %s" % shown(path))
        if not isinstance(told, dict) or set(told) != {"sha256", "bytes"} or not is_count(told["bytes"]):
            raise Bad("it is not a manifest of version 1")
        if not isinstance(told["sha256"], str) or not HEX64.fullmatch(told["sha256"]):
            raise Bad("it is not a manifest of version 1")
    listed = {path: {"sha256": files[path]["sha256"], "bytes": files[path]["bytes"]} for path in sorted(files)}
    must_be_canonical({"version": 1, "files": listed}, data)
    return files


# Files that every pack has.
EXPECTED = (
    "README.md", "approvals.csv", "cases.csv", "checkpoint", "completeness.json", "controls.md", "exceptions.csv",
    "keys.json", "oscal.json", "population.csv", "proofs/range.json", "report.html", "rows.csv", "rows.jsonl", "sample.csv",
    "systems.csv", "verify.py")


def check_manifest(directory, report):
    """Every file there, every digest equal, nothing else there."""
    try:
        files = manifest_files(directory)
    except Bad as bad:
        report.bad(str(bad), file="manifest.json")
        files = None
    found = walk(directory, report)
    for path, is_file in found:
        if not is_file:
            report.bad("it is not a plain file", file=sound(path))
        elif files is not None and path not in files and path != "manifest.json":
            report.bad("it is not listed in manifest.json", file=sound(path))
    there = {path for path, is_file in found if is_file}
    for path in sorted(set(EXPECTED).union(files or ()) - there):
        report.bad("it is missing", file=path)
    for path, told in sorted((files or {}).items()):
        if path not in there:
            continue
        try:
            good = plain(directory, path) == told["bytes"] and digest_of(directory, path) == told["sha256"]
        except (Bad, OSError):
            good = False
        if not good:
            report.bad("its bytes are not those that manifest.json lists", file=path)
    return sorted(there)


# ---------------------------------------------------------------------------------------------------------------------
# Keys, checkpoint, range

Keys = namedtuple("Keys", "origin log witnesses quorum")
Range = namedtuple("Range", "first end size hashes last consistency before behind")


def read_json(directory, path, limit):
    return json_of(read(directory, path, limit))


def json_of(data):
    try:
        return parse_json(data)
    except Bad:
        raise Bad("it is not JSON of one meaning") from None


def must_be_canonical(value, data):
    """One spelling of each document: what is written again must be what was read."""
    if (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode("utf-8") != data:
        raise Bad("it is not in its canonical form")


def read_keys(directory):
    data = read(directory, "keys.json", MAX_SMALL)
    value = json_of(data)
    if not isinstance(value, dict) or set(value) != {"origin", "log", "witnesses", "quorum"}:
        raise Bad("it is not a list of keys")
    for name in ("log", "witnesses"):
        listed = value[name]
        if not isinstance(listed, list) or len(listed) > MAX_KEYS or not all(isinstance(k, str) for k in listed):
            raise Bad("it is not a list of keys")
    if not isinstance(value["origin"], str) or not is_count(value["quorum"]):
        raise Bad("it is not a list of keys")
    try:
        log, witnesses = [[parse_key(text) for text in value[name]] for name in ("log", "witnesses")]
    except Bad:
        raise Bad("it lists a key that cannot be read") from None
    for listed in (log, witnesses):
        if len({(k.name, k.id) for k in listed}) != len(listed) or len({k.public for k in listed}) != len(listed):
            raise Bad("it lists a key twice")
    if not log or any(key.type != LOG_KEY or key.name != value["origin"] for key in log):
        raise Bad("it lists a log key that is not one of the log")
    if any(key.type != WITNESS_KEY for key in witnesses):
        raise Bad("it lists a witness key that is not one of a witness")
    if value["quorum"] > len(witnesses):
        raise Bad("its quorum is larger than the number of its witnesses")
    must_be_canonical({name: value[name] for name in ("origin", "log", "witnesses", "quorum")}, data)
    return Keys(value["origin"], log, witnesses, value["quorum"])


def hashes_of(value):
    if not isinstance(value, list) or len(value) > 128:
        raise Bad("it is not a range of rows")
    if not all(isinstance(text, str) and HEX64.fullmatch(text) for text in value):
        raise Bad("it is not a range of rows")
    return [bytes.fromhex(text) for text in value]


def edge_of(edges, name):
    """A row next to the pack's: its bytes, and the proof that it lies in the log; None where it is not shown."""
    if not isinstance(edges, dict) or name not in edges:
        raise Bad("it is not a range of rows")
    edge = edges[name]
    if edge is None:
        return None
    if not isinstance(edge, dict) or set(edge) != {"leaf", "proof"} or not isinstance(edge["leaf"], str):
        raise Bad("it is not a range of rows")
    try:
        return unbase64(edge["leaf"]), hashes_of(edge["proof"])
    except Bad:
        raise Bad("it is not a range of rows") from None


def read_range(directory):
    data = read(directory, "proofs/range.json", MAX_RANGE)
    value = json_of(data)
    numbers = [at(value, name) for name in ("first", "end", "size")]
    if not all(is_count(number) for number in numbers) or not numbers[0] <= numbers[1] <= numbers[2]:
        raise Bad("it is not a range of rows")
    hashes, consistency = hashes_of(at(value, "before", "hashes")), hashes_of(at(value, "consistency"))
    last = hashes_of([at(value, "before", "last")])[0]
    if len(hashes) != bin(numbers[0]).count("1") or (numbers[0] == 0 and last != ZERO):
        raise Bad("it is not a range of rows")
    before, behind = edge_of(at(value, "edges"), "before"), edge_of(at(value, "edges"), "behind")
    if (numbers[0] == 0 and before is not None) or (numbers[1] == numbers[2] and behind is not None):
        raise Bad("it is not a range of rows")
    must_be_canonical(sorted_deep(value), data)
    return Range(*numbers, hashes, last, consistency, before, behind)


def open_checkpoint(data):
    try:
        note = parse_note(data)
    except Bad:
        raise Bad("it is not a signed note") from None
    try:
        return note, parse_checkpoint(note.text)
    except Bad:
        raise Bad("it is not a checkpoint") from None


def signature_problem(note, checkpoint, keys, log_keys):
    """Why the log did not sign this; None where it did."""
    if checkpoint.origin != keys.origin:
        return "it belongs to another log"
    said = [signed_by(note, key) for key in log_keys]
    if False in said:
        return "its signature by the log is wrong"
    return None if True in said else "no key of the log signed it"


def check_signatures(note, checkpoint, keys, trusted, report):
    """The log's signature, and the witnesses'. Keys that the auditor holds weigh more than those of the pack."""
    log_keys, witnesses, needed = keys.log, keys.witnesses, keys.quorum
    mine = [key for key in trusted if key.type == LOG_KEY]
    if mine:
        known = {key.text for key in keys.log}
        for key in mine:
            if key.text not in known:
                report.bad("a key given with --key is not among the log's: %s" % shown(key.text), file="keys.json")
        log_keys = mine
    else:
        report.could_not("whose the log's key is: it was taken from the pack; give the key that you know with --key")
    problem = signature_problem(note, checkpoint, keys, log_keys)
    if problem:
        report.bad(problem, file="checkpoint")
    theirs = [key for key in trusted if key.type == WITNESS_KEY]
    if theirs:
        witnesses, needed = theirs, max(1, min(len(theirs), needed))
    elif needed:
        report.could_not("whose the witnesses' keys are: they were taken from the pack; give those that you know with --key")
    else:
        report.could_not("whether the log was shown to others in the same way: no witness has to sign it")
    said = [signed_by(note, key) for key in witnesses]
    if False in said:
        report.bad("a witness's signature is wrong", file="checkpoint")
    if said.count(True) < needed:
        report.bad("%d witnesses signed it, %d must" % (said.count(True), needed), file="checkpoint")


# ---------------------------------------------------------------------------------------------------------------------
# The rows

ROW_COLUMNS = (
    "seq,hash,previous,event_id,case_id,ordinal,event_type,occurred_at,recorded_at,username,actor,system,action,result,"
    "risk,access_row,evidence_sha256,leaf")
POPULATION_COLUMNS = (
    "case_id,username,employee_id,mode,dry_run,reason,trigger_kind,trigger_source,triggered_by,trigger_event_id,"
    "trigger_at,received_at,recorded_at,effective_at,systems,policy_digest,row")


def cell(value):
    """A cell of a table. One that a spreadsheet would take for a formula is made a text."""
    text = {None: "", True: "yes", False: "no"}.get(value, value) if not isinstance(value, int) or isinstance(
        value, bool) else str(value)
    if text[:1] in ("=", "+", "-", "@", "\t", "\r"):
        text = "'" + text
    if any(c in text for c in ',"\r\n'):
        text = '"' + text.replace('"', '""') + '"'
    return text


def line(cells):
    return (",".join(cell(value) for value in cells) + "\n").encode("utf-8")


class Table:
    """A table of the pack, compared with what it must say as the rows go by. A difference is told once."""

    def __init__(self, directory, path, columns, report):
        self.path, self.report, self.file = path, report, None
        try:
            if plain(directory, path) is not None:
                self.file = open(os.path.join(directory, path), "rb")
        except (Bad, OSError):
            pass
        if self.file is None:
            report.could_not("%s: it is not there or cannot be read" % path)
        else:
            self.expect(columns.encode() + b"\n", None)

    def differs(self, what, row):
        self.report.bad(what, row=row, file=self.path)
        self.close()

    def expect(self, text, row):
        if self.file is None or self.file.read(len(text)) == text:
            return
        if row is None:
            self.differs("its columns are not those of this table", None)
        else:
            self.differs("%s does not say what the row says" % self.path, row)

    def expect_line(self, number, text):
        if self.file is not None and self.file.read(len(text)) != text:
            self.differs("its line %d is not what the rows say" % number, None)

    def end(self):
        if self.file is not None and self.file.read(1):
            self.differs("it goes on behind its last line", None)
        self.close()

    def close(self):
        if self.file is not None:
            self.file.close()
        self.file = None


SAMPLE_COLUMNS = "rank,selector,case_id,username,system,row,proof"


class Case:
    """What is known of a case. It begins with whichever of its rows comes first; `opened` is its opening row."""
    __slots__ = (
        "id", "opened", "of_period", "username", "employee_id", "mode", "dry_run", "gives_back", "systems", "policy",
        "revoked", "access", "by_hand", "rows", "closed", "cancelled")

    def __init__(self, id):
        self.id, self.opened, self.of_period, self.systems, self.policy = id, None, False, [], None
        self.username, self.employee_id, self.mode, self.dry_run, self.gives_back = "", "", "", False, False
        # By system: the last row that took access, the last that took or gave it, and whose owner did the task by hand.
        self.revoked, self.access, self.by_hand = {}, {}, set()
        self.rows, self.closed, self.cancelled = 0, False, False

    def open(self, entry, facts):
        systems = at(facts, "facts", "systems")
        systems = [s[:300] for s in systems if isinstance(s, str)] if isinstance(systems, list) else []
        self.opened, self.username = entry.seq, entry.username
        self.employee_id = text_at(facts, "user", "employee_id")
        self.mode = text_at(facts, "revocation", "type")
        self.dry_run = entry.kind == "plan_previewed"
        self.gives_back = entry.kind == "restoration_triggered" or self.mode == "reactivate"
        self.systems = sorted(set(systems[:256]))
        policy = text_at(facts, "facts", "policy_digest").lower()
        self.policy = policy if HEX64.fullmatch(policy) else None

    def calling(self):
        """The systems that call for an access row: none where access is given back, or where the case was called off."""
        if self.dry_run or self.gives_back or self.cancelled:
            return []
        return [system for system in self.systems if system in self.revoked or system not in self.by_hand]

    def expected(self):
        return (0 if self.dry_run or self.gives_back else 1) + len(self.calling())

    def missing(self):
        return [system for system in self.calling() if system not in self.revoked]

    def system_row(self, entry):
        """Takes a row of one system."""
        if entry.kind == "access_revoked":
            self.revoked[entry.system] = entry.seq
        if entry.kind in ("access_revoked", "access_restored"):
            self.access[entry.system] = entry.seq
        elif entry.kind == "task_closed":
            self.by_hand.add(entry.system)
        elif entry.kind == "task_opened":
            self.by_hand.discard(entry.system)

    def sampled(self):
        """The rows that are proved where the case is in the sample: by system, its opening row first."""
        return [("", self.opened)] + sorted(self.access.items())


class Rows:
    """The rows one after another: their place, links, hashes, and what the tables beside them must say."""

    def __init__(self, directory, span, origin, period, kept_sizes, wanted, report):
        self.report, self.span, self.origin, self.period = report, span, origin, period
        self.tree = Tree(span.first, span.hashes)
        self.last, self.next, self.recorded_at = span.last, span.first, None
        self.kept = {size: None for size in kept_sizes}
        self.note_root()
        self.events = {}          # digest of the event's identity: (case, hash of its row)
        self.cases = {}           # by id
        self.counted = {}         # day: case ids recorded on it
        self.reviews = set()      # ids of reviews of the period
        self.days, self.entry, self.count, self.readable = [], None, 0, True
        self.hashes = {row: None for row in wanted}
        self.csv = Table(directory, "rows.csv", ROW_COLUMNS, report)
        self.population = Table(directory, "population.csv", POPULATION_COLUMNS, report)
        if period is None:
            self.population.close()

    def note_root(self):
        if self.tree.size in self.kept:
            self.kept[self.tree.size] = self.tree.root()

    def row(self, text):
        """One line of rows.jsonl."""
        place = self.next
        self.next += 1
        try:
            shown_row = DECODER.decode(text.decode("utf-8"))
            leaf, evidence = shown_row["leaf"], shown_row["evidence"]
            if not isinstance(leaf, str) or not isinstance(evidence, str):
                raise Bad("not a line")
            facts_bytes = evidence.encode("utf-8")
        except (ValueError, RecursionError, OverflowError, KeyError, TypeError, Bad):
            return self.unreadable(place, "its line in rows.jsonl cannot be read")
        try:
            data = unbase64(leaf)
        except Bad:
            return self.unreadable(place, "its leaf is not base64")
        digest = leaf_hash(data)
        self.tree.push(digest)
        self.count += 1
        self.note_root()
        try:
            entry = decode(data)
        except Bad as bad:
            self.last = digest
            return self.unreadable(place, "its bytes are not an entry: %s" % bad)
        self.chain(place, entry, data, digest, facts_bytes)
        try:
            facts = parse_json(evidence)
        except Bad:
            self.report.bad("its evidence is not JSON of one meaning", row=place, file="rows.jsonl")
            facts = None
        self.show(place, text, shown_row, entry, leaf, digest, evidence, facts)
        self.count_in(place, entry, digest, facts)

    def unreadable(self, place, what):
        """A row that the tables cannot follow from."""
        self.report.bad(what, row=place, file="rows.jsonl")
        self.report.could_not("the tables: some rows cannot be read")
        self.readable = False
        self.csv.close()
        self.population.close()

    def chain(self, place, entry, data, digest, facts):
        bad = lambda what: self.report.bad(what, row=place, file="rows.jsonl")
        if encode(entry) != data:
            bad("its bytes are not the canonical ones")
        if entry.origin != self.origin:
            bad("it belongs to the log `%s`" % shown(entry.origin))
        if entry.seq != place:
            bad("it says place %d" % entry.seq)
            self.next = min(entry.seq + 1, MAX_U64)
        if entry.previous != self.last:
            bad("it does not link to the row before it")
        if entry.evidence != sha256(facts):
            bad("its evidence is not what was recorded")
        if self.recorded_at is not None and entry.recorded_at < self.recorded_at:
            bad("it says that it was appended before the row in front of it")
        key = sha256(entry.event_id.encode("utf-8"))
        if key in self.events:
            bad("its event `%s` stands in the log already" % shown(entry.event_id))
        else:
            self.events[key] = (entry.case_id, digest)
        self.last, self.entry = digest, entry
        self.recorded_at = entry.recorded_at if self.recorded_at is None else max(self.recorded_at, entry.recorded_at)

    def show(self, place, text, shown_row, entry, leaf, digest, evidence, facts):
        told = {"seq": entry.seq, "leaf": leaf, "evidence": evidence, "view": view_of(entry, digest, facts)}
        told["view"] = sorted_deep(told["view"])
        if line_of(told) != text and not (has_real(told) and same(told, shown_row)):
            self.report.bad("rows.jsonl does not say what the row says", row=place, file="rows.jsonl")
        self.csv.expect(line([
            entry.seq, digest.hex(), entry.previous.hex(), entry.event_id, entry.case_id, entry.ordinal, entry.kind,
            instant(entry.occurred_at), instant(entry.recorded_at), entry.username, entry.actor, entry.system,
            entry.action, entry.outcome, entry.risk, is_access_row(entry), entry.evidence.hex(), leaf]), place)

    def count_in(self, place, entry, digest, facts):
        if entry.seq in self.hashes:
            self.hashes[entry.seq] = digest
        case = self.cases.get(entry.case_id)
        if case is None:
            case = self.cases[entry.case_id] = Case(entry.case_id)
        if entry.kind == "case_closed":
            self.check_close(place, entry, case, facts)
        case.rows += 1
        if entry.kind == "population_counted":
            self.days.append((entry, facts))
        elif opens_case(entry) and case.opened is None:
            case.open(entry, facts)
            self.counted.setdefault(instant(entry.recorded_at)[:10], []).append(entry.case_id)
            if self.is_in_period(entry):
                case.of_period = True
                self.population.expect(line(self.population_cells(entry, case, facts)), place)
        elif entry.system is not None:
            case.system_row(entry)
        elif entry.kind == "case_closed":
            case.closed = True
        elif entry.kind == "case_cancelled":
            case.closed = case.cancelled = True
        if entry.case_id.startswith("review-") and entry.kind in REVIEW_KINDS and self.is_in_period(entry):
            self.reviews.add(entry.case_id)

    def is_in_period(self, entry):
        return self.period is not None and self.period[0] <= entry.recorded_at < self.period[1]

    def population_cells(self, entry, case, facts):
        def trigger(name):
            return text_at(facts, "facts", "trigger", name)

        return [
            entry.case_id, entry.username, case.employee_id, case.mode, case.dry_run,
            text_at(facts, "revocation", "reason"), trigger("kind"), trigger("source"), trigger("by"),
            trigger("event_id"), same_instant(trigger("at")), same_instant(trigger("received_at")),
            instant(entry.recorded_at), same_instant(text_at(facts, "facts", "effective_at")), " ".join(case.systems),
            case.policy, entry.seq]

    def check_close(self, place, entry, case, facts):
        """The list of the case's rows that its closing row holds, against the rows."""
        listed = at(facts, "facts", "rows")
        if not isinstance(listed, list):
            self.report.could_not("whether closed cases hold all their rows: some closing rows do not list them")
            return
        # The first of each kind is told: where one hash is another, those behind it are, too.
        seen, nowhere, other, before = set(), None, None, False
        for item in listed:
            event, told = at(item, "event_id"), at(item, "hash")
            if not isinstance(event, str) or not isinstance(told, str):
                self.report.bad("its list of the case's rows cannot be read", row=place, file="rows.jsonl")
                return
            key = sha256(event.encode("utf-8"))
            there = self.events.get(key)
            if there is None and case.opened is not None:
                nowhere = event if nowhere is None else nowhere
            elif there is None:
                before = True
            else:
                if there[0] == entry.case_id:
                    seen.add(key)
                if there[0] != entry.case_id or there[1].hex() != told:
                    other = event if other is None else other
        if nowhere is not None:
            self.report.bad("it lists the event `%s`, which has no row" % shown(nowhere), row=place, file="rows.jsonl")
        if other is not None:
            self.report.bad("it lists the event `%s` with another hash" % shown(other), row=place, file="rows.jsonl")
        if before:
            self.report.could_not("closing rows that list rows before the first row of the pack")
        if case.opened is not None and len(seen) < case.rows:
            self.report.bad("it leaves out %d rows of its case" % (case.rows - len(seen)), row=place, file="rows.jsonl")


def sorted_deep(value):
    if isinstance(value, dict):
        return {name: sorted_deep(value[name]) for name in sorted(value)}
    return [sorted_deep(inner) for inner in value] if isinstance(value, list) else value


def line_of(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def has_real(value):
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, float):
            return True
        if isinstance(value, (dict, list)):
            todo += value.values() if isinstance(value, dict) else value
    return False




def stream_rows(directory, rows, report):
    """Reads rows.jsonl line by line; no line may be longer than a row can be."""
    size = plain(directory, "rows.jsonl")
    if size is None:
        raise Bad("it is missing")
    with open(os.path.join(directory, "rows.jsonl"), "rb") as file:
        while True:
            text = file.readline(MAX_LINE + 1)
            if not text:
                break
            if len(text) > MAX_LINE:
                report.bad("its line in rows.jsonl is longer than %d bytes" % MAX_LINE, row=rows.next, file="rows.jsonl")
                break
            if text[-1:] != b"\n":
                report.bad("its line in rows.jsonl does not end", row=rows.next, file="rows.jsonl")
            rows.row(text[:-1] if text[-1:] == b"\n" else text)
    rows.csv.end()
    rows.population.end()
    if rows.next < rows.span.end:
        report.bad("it is missing: the rows end before row %d" % rows.span.end, row=rows.next, file="rows.jsonl")
    elif rows.next > rows.span.end:
        report.bad("it lies behind the end of the pack's rows", row=rows.span.end, file="rows.jsonl")


def check_period(rows, report):
    """The last row: where it lies behind the period, it should belong to a case of it, or count one of its days."""
    entry = rows.entry
    if entry is None or entry.recorded_at < rows.period[1]:
        return
    if entry.kind == "population_counted":
        try:
            begin = parse_instant(entry.case_id[len("population-"):] + "T00:00:00.000Z")
        except Bad:
            begin = None
        if begin is not None and rows.period[0] <= begin < rows.period[1]:
            return
    if not rows.cases[entry.case_id].of_period and entry.case_id not in rows.reviews:
        report.remark("row %d: it was recorded after the period and belongs to no case of it" % entry.seq)


def check_tree(rows, checkpoint, report):
    root = rows.tree.root()
    report.root = root
    if rows.span.size != checkpoint.size:
        report.bad("it speaks of %d rows, the checkpoint of %d" % (rows.span.size, checkpoint.size), file="proofs/range.json")
    if not consistency_holds(rows.tree.size, checkpoint.size, rows.span.consistency, root, checkpoint.root):
        report.bad("the rows do not come to the root that it signs", file="checkpoint")


def edge_problem(edge, row, checkpoint, links, is_outside):
    """What is wrong with the row next to the pack's; None where it shows that none is missing."""
    if edge is None:
        return "row %d is not shown" % row
    leaf, proof = edge
    try:
        entry = decode(leaf)
        if entry.seq != row or entry.origin != checkpoint.origin or encode(entry) != leaf:
            raise Bad("another")
    except Bad:
        return "what is shown as row %d is not that row" % row
    if not links(entry, leaf_hash(leaf)):
        return "row %d does not link to the pack's rows" % row
    if not inclusion_holds(leaf_hash(leaf), row, checkpoint.size, proof, checkpoint.root):
        return "it does not show that row %d lies in the log" % row
    return None if is_outside(entry.recorded_at) else "row %d was recorded in it and left out" % row


def check_edges(rows, checkpoint, report):
    """The rows before the first and behind the last: recorded outside the period, so that none of it is left out."""
    span, period = rows.span, rows.period
    told = []
    if span.first > 0:
        told.append(("beginning", edge_problem(
            span.before, span.first - 1, checkpoint, lambda entry, digest: digest == span.last,
            lambda when: period is None or when < period[0])))
    if span.end < checkpoint.size:
        told.append(("end", edge_problem(
            span.behind, span.end, checkpoint, lambda entry, digest: entry.previous == rows.last,
            lambda when: period is None or when >= period[1])))
    for side, problem in told:
        if problem:
            report.bad("rows are missing at the %s of the period: %s" % (side, problem), file="proofs/range.json")


def check_kept(name, note_bytes, keys, log_keys, checkpoint, rows, report):
    """A checkpoint that somebody kept from earlier: the pack must grow out of it."""
    name = "kept checkpoint %s" % shown(name)
    try:
        note, kept = open_checkpoint(note_bytes)
    except Bad as bad:
        report.bad(str(bad), file=name)
        return
    problem = signature_problem(note, kept, keys, log_keys)
    if problem:
        report.bad(problem, file=name)
        return
    root = rows.kept.get(kept.size)
    if root is None and kept.size < rows.span.first:
        root = Tree(rows.span.first, rows.span.hashes).earlier_root(kept.size)
    if kept.size == checkpoint.size:
        root = checkpoint.root
    if root is not None:
        if root != kept.root:
            report.bad("the log had another root when it had %d rows: its history was rewritten" % kept.size, file=name)
    elif kept.size > checkpoint.size:
        report.could_not("%s: it is newer than the pack, which has the log at %d rows and it at %d"
                         % (name, checkpoint.size, kept.size))
    else:
        report.could_not("%s: the pack has rows %d to %d, and it is of %d rows"
                         % (name, rows.span.first, rows.span.end, kept.size))


def counted_day(entry, facts):
    day = text_at(facts, "facts", "day")
    if not isinstance(at(facts, "facts", "day"), str) and entry.case_id.startswith("population-"):
        day = entry.case_id[len("population-"):]
    try:
        return day, parse_instant(day + "T00:00:00.000Z")
    except Bad:
        raise Bad("its day cannot be read") from None


def check_days(rows, generated_at, report):
    """The daily counts against the cases that the rows show."""
    for entry, facts in rows.days:
        place = entry.seq
        try:
            day, begin = counted_day(entry, facts)
        except Bad as bad:
            report.bad(str(bad), row=place, file="rows.jsonl")
            continue
        hr_events, hr_cases, told = [count_at(facts, name) for name in ("hr_events", "hr_cases", "cases")]
        if hr_events != hr_cases:
            report.remark("row %d: on %s HR's events and the cases that they opened differ" % (place, day))
        if begin < rows.period[0] or begin + DAY > min(rows.period[1], generated_at):
            report.could_not("counts of days that do not lie wholly in the period")
            continue
        there = sorted(rows.counted.get(day, []))
        digest = text_at(facts, "facts", "cases_digest").lower()
        other = HEX64.fullmatch(digest) and digest != sha256("\n".join(there).encode("utf-8")).hex()
        if told != len(there) or other:
            report.bad("it counts other cases on %s than the rows show" % day, row=place, file="rows.jsonl")


def count_at(facts, name):
    value = at(facts, "facts", name)
    return value if is_count(value) else None


# ---------------------------------------------------------------------------------------------------------------------
# What follows from the rows: sample, policies, completeness, HR's list

def parse_proof(data):
    """A tlog-proof: index, hashes, and the checkpoint behind an empty line."""
    head, split, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Bad("it is not a proof") from None
    number = re.fullmatch("index (0|[1-9][0-9]{0,19})", lines[1]) if len(lines) > 1 else None
    if not split or lines[0] != "c2sp.org/tlog-proof@v1" or number is None or len(lines) > 66:
        raise Bad("it is not a proof")
    try:
        hashes = [unbase64(text) for text in lines[2:]]
    except Bad:
        raise Bad("it is not a proof") from None
    if any(len(one) != 32 for one in hashes):
        raise Bad("it is not a proof")
    return int(number[1]), hashes, note


def chosen(rows, root):
    """The cases that the root selects: nobody could know it before the rows were there."""
    of_period = [case for case in rows.cases.values() if case.of_period]
    picked = sorted((sha256(root + case.id.encode("utf-8")), case.id) for case in of_period)[:SAMPLE]
    return [(selector, rows.cases[id]) for selector, id in picked]


def check_sample(directory, rows, checkpoint, report):
    """sample.csv; gives back the rows that must be proved."""
    table = Table(directory, "sample.csv", SAMPLE_COLUMNS, report)
    sampled, number = set(), 1
    for rank, (selector, case) in enumerate(chosen(rows, checkpoint.root), 1):
        for system, row in case.sampled():
            number += 1
            sampled.add(row)
            table.expect_line(number, line([
                rank, selector.hex(), case.id, case.username, system, row, "proofs/%d.tlog-proof" % row]))
    table.end()
    return sampled


def proof_of(path):
    match = re.fullmatch(r"proofs/(0|[1-9][0-9]{0,19})\.tlog-proof", path)
    return int(match[1]) if match and int(match[1]) <= MAX_U64 else None


def check_proofs(directory, there, rows, checkpoint, note_bytes, sampled, report):
    """Every proof, and that each row of the sample has one."""
    found = set()
    for path in there:
        row = proof_of(path)
        if row is None:
            continue
        found.add(row)
        try:
            index, hashes, note = parse_proof(read(directory, path, MAX_SMALL))
        except Bad as bad:
            report.bad(str(bad), file=path)
            continue
        leaf = rows.hashes.get(row) if row in sampled else None
        if index != row:
            report.bad("it is the proof of another row", file=path)
        elif leaf is None:
            report.bad("it is the proof of a row that is not in the sample", file=path)
        elif note != note_bytes:
            report.bad("it does not hold the pack's checkpoint", file=path)
        elif not inclusion_holds(leaf, row, checkpoint.size, hashes, checkpoint.root):
            report.bad("it does not show that row %d lies in the log" % row, file=path)
    for row in sorted(sampled - found):
        report.bad("the sample has no proof of it", row=row, file="sample.csv")


def read_policies(directory, there, report):
    """The policies whose digest is their name."""
    good = set()
    for path in there:
        match = re.fullmatch(r"policies/([0-9a-f]{64})\.json", path)
        if match is None:
            continue
        try:
            data = read(directory, path, MAX_LARGE)
            data.decode("utf-8")
            if sha256(data).hex() != match[1]:
                raise Bad("other bytes")
            good.add(match[1])
        except (Bad, OSError, UnicodeDecodeError):
            report.bad("its SHA-256 is not its name", file=path)
    return good


def check_policies(policies, rows, report):
    used = {case.policy for case in rows.cases.values() if case.of_period and case.policy}
    for digest in sorted(policies - used):
        report.bad("no case of the pack ran under it", file="policies/%s.json" % digest)
    if used - policies:
        report.could_not("deadlines: %d policies that cases ran under are not in the pack" % len(used - policies))
    return used


COMPLETENESS_FIELDS = {
    "version", "form", "log", "period", "generated_at", "checkpoint", "rows", "cases", "access_rows", "hr", "policies",
    "statement", "not_covered"}


def check_form(value, report):
    """Which version's wording the pack has."""
    form = at(value, "form")
    if not is_count(form) or not 1 <= form < 2**32:
        raise Bad("its form cannot be read")
    if form != FORM:
        report.could_not(
            "README.md, report.html, controls.md, oscal.json and verify.py were written by another version of leaver, and so"
            " were the sentences of completeness.json (form %d, ours is %d): rely on the tables, and do not run that verify.py" % (form, FORM))


def check_completeness(value, rows, checkpoint, period, generated_at, policies, used, report):
    """The figures of completeness.json, counted again; its sentences and its list of days are left to `leaver verify`."""
    cases = sorted((case for case in rows.cases.values() if case.of_period), key=lambda case: case.opened)
    closed, expected = sum(case.closed for case in cases), sum(case.expected() for case in cases)
    missing = [{"case_id": case.id, "system": system} for case in cases for system in case.missing()]
    if set(value) != COMPLETENESS_FIELDS:
        report.bad("it is not what the rows say", file="completeness.json")
        return
    for name, told in (
        ("version", 1), ("log", checkpoint.origin), ("period", {"from": instant(period[0]), "to": instant(period[1])}),
        ("generated_at", instant(generated_at)), ("checkpoint", {"size": checkpoint.size, "root": checkpoint.root.hex()}),
        ("rows", {"first": rows.span.first, "end": rows.span.first + rows.count, "count": rows.count}),
        ("cases", {"opened": len(cases), "dry_runs": sum(case.dry_run for case in cases), "closed": closed,
                   "open": len(cases) - closed}),
        ("access_rows", {"expected": expected, "found": expected - len(missing), "missing": missing}),
        ("policies", {"included": sorted(used & policies), "missing": sorted(used - policies)}),
    ):
        if not same(at(value, name), told):
            report.bad("it is not what the rows say", file="completeness.json")
            return


DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def check_hr(data, rows, report):
    """HR's own list of who left, against the cases of the pack."""
    try:
        text = data.decode("utf-8-sig")
        first = text.split("\n", 1)[0]
        table = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in first and "," not in first else ",")
        lines = [[field.strip(" \t") for field in fields] for fields in table if any(fields)]
    except (UnicodeDecodeError, csv.Error):
        report.bad("it is not a table", file="HR's list")
        return
    names = [name.lower() for name in lines[0]] if lines else []
    if "termination_date" not in names or not {"employee_id", "username"} & set(names):
        report.bad("it needs the column termination_date, and employee_id or username", file="HR's list")
        return
    by_id = {case.employee_id for case in rows.cases.values() if counts(case) and case.employee_id}
    by_name = {case.username.lower() for case in rows.cases.values() if counts(case)}
    ids, usernames = set(), set()
    begin, end = instant(rows.period[0])[:10], instant(rows.period[1] - 1)[:10]
    for number, fields in enumerate(lines[1:], 2):
        record = dict(zip(names, fields))
        employee, username, day = (record.get(n, "") for n in ("employee_id", "username", "termination_date"))
        ids.add(employee)
        usernames.add(username.lower())
        if not DATE.match(day):
            report.bad("record %d: its termination_date is not a date" % number, file="HR's list")
        elif begin <= day[:10] <= end and employee not in by_id and username.lower() not in by_name:
            report.bad("record %d: %s left on %s and has no case in the pack"
                       % (number, shown(employee or username), day[:10]), file="HR's list")
    for case in sorted(filter(counts, rows.cases.values()), key=lambda case: case.opened):
        if case.employee_id not in ids and case.username.lower() not in usernames:
            report.remark("row %d: the case %s of %s: this person is not on HR's list"
                          % (case.opened, shown(case.id), shown(case.username)))


def counts(case):
    """Whether a case took access from somebody who left: one that was called off did not."""
    return case.of_period and case.mode == "leave" and not case.dry_run and not case.cancelled


# ---------------------------------------------------------------------------------------------------------------------
# All of it

def times_of(value):
    """The period and when the pack was made, by the pack's own words."""
    try:
        begin, end = parse_instant(at(value, "period", "from")), parse_instant(at(value, "period", "to"))
        made = parse_instant(at(value, "generated_at"))
    except Bad:
        raise Bad("its period cannot be read") from None
    if begin >= end:
        raise Bad("its period cannot be read")
    return (begin, end), made


NOT_RECOMPUTED = (
    "cases.csv, systems.csv, approvals.csv, exceptions.csv, controls.md, oscal.json, report.html, README.md, and the days"
    " and sentences of completeness.json: this verifier does not recompute them; `leaver verify` does")


def verify(directory, kept=(), trusted=(), hr=None):
    """The report on a pack. `kept`: pairs of a name and a checkpoint's bytes; `trusted`: keys; `hr`: a table's bytes."""
    report = Report()
    there = check_manifest(directory, report)
    trusted = list({key.text: key for key in trusted}.values())

    def attempt(path, what):
        try:
            return what()
        except Bad as bad:
            report.bad(str(bad), file=path)
        except OSError:
            report.bad("it cannot be read", file=path)
        return None

    keys = attempt("keys.json", lambda: read_keys(directory))
    note_bytes = attempt("checkpoint", lambda: read(directory, "checkpoint", MAX_SMALL))
    opened = attempt("checkpoint", lambda: open_checkpoint(note_bytes)) if note_bytes is not None else None
    span = attempt("proofs/range.json", lambda: read_range(directory))
    # In a list, so that a file that says `null` is not taken for one that cannot be read.
    told = attempt("completeness.json", lambda: [read_json(directory, "completeness.json", MAX_LARGE)])
    if opened and keys:
        check_signatures(*opened, keys, trusted, report)
    if not (opened and keys and span):
        report.could_not("the rows: what they are checked against cannot be read")
        return report
    checkpoint = opened[1]
    period = attempt("completeness.json", lambda: times_of(told[0])) if told is not None else None
    if told is not None:
        attempt("completeness.json", lambda: check_form(told[0], report))
    policies = read_policies(directory, there, report)
    rows = walk_rows(directory, span, checkpoint, period and period[0], kept, there, report)
    if attempt("rows.jsonl", lambda: stream_rows(directory, rows, report) or True) is None:
        return report
    report.rows = rows.count
    check_tree(rows, checkpoint, report)
    check_edges(rows, checkpoint, report)
    mine = [key for key in trusted if key.type == LOG_KEY]
    for name, data in kept:
        check_kept(name, data, keys, mine or keys.log, checkpoint, rows, report)
    if period is None:
        report.could_not("the tables and the cases: the period cannot be read")
    else:
        report.cases = sum(case.of_period for case in rows.cases.values())
        check_period(rows, report)
        check_days(rows, period[1], report)
        sampled = check_sample(directory, rows, checkpoint, report)
        check_proofs(directory, there, rows, checkpoint, note_bytes, sampled, report)
        used = check_policies(policies, rows, report)
        if hr is not None:
            check_hr(hr, rows, report)
        if rows.readable:
            check_completeness(told[0], rows, checkpoint, *period, policies, used, report)
    tell_gaps(kept, hr, span, report)
    return report


def walk_rows(directory, span, checkpoint, period, kept, there, report):
    sizes = []
    for _, data in kept:
        try:
            sizes.append(open_checkpoint(data)[1].size)
        except Bad:
            pass  # told when its turn comes
    wanted = [row for row in map(proof_of, there) if row is not None]
    report.log, report.first = checkpoint.origin, span.first
    return Rows(directory, span, checkpoint.origin, period, sizes, wanted, report)


def tell_gaps(kept, hr, span, report):
    if span.first > 0:
        report.could_not("rows before row %d: they are bound by their hashes, and not shown but for the last of them"
                         % span.first)
    if not kept:
        report.could_not("whether the log was rewritten as a whole before this checkpoint: no checkpoint kept from earlier was"
                         " given with --checkpoint")
    if hr is None:
        report.could_not("whether HR reported everybody who left: no list of theirs was given with --hr")
    report.could_not("whether the vendors' answers were true: the rows hold what they said")
    report.could_not(NOT_RECOMPUTED)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="verify.py", description="Checks an evidence pack of leaver: exit code 0 verified, 1 not verified, 2 wrong usage.")
    parser.add_argument("dir", nargs="?", default=os.path.dirname(os.path.abspath(__file__)), help="the pack")
    parser.add_argument("--checkpoint", action="append", default=[], help="a checkpoint kept from earlier")
    parser.add_argument("--key", action="append", default=[], help="a key of the log or of a witness, as name+id+base64")
    parser.add_argument("--hr", help="HR's list: a table with termination_date, and employee_id or username")
    parser.add_argument("--json", action="store_true", help="say it as JSON")
    given = parser.parse_args(arguments)
    try:
        kept = [(os.path.basename(path), file_given(path, MAX_SMALL)) for path in given.checkpoint]
        hr = file_given(given.hr, MAX_HR) if given.hr is not None else None
        trusted = [parse_key(text) for text in given.key]
    except OSError as error:
        parser.error("%s cannot be read" % (error.filename or "a file"))
    except Bad as bad:
        parser.error(str(bad))
    if not os.path.isdir(given.dir):
        parser.error("%s is not a directory" % given.dir)
    report = verify(given.dir, kept, trusted, hr)
    text = json.dumps(report.json(), ensure_ascii=False) if given.json else report.words()
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
    return 0 if report.count == 0 else 1


def file_given(path, limit):
    with open(path, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Bad("%s is larger than %d bytes" % (path, limit))
    return data


if __name__ == "__main__":
    sys.exit(main())
