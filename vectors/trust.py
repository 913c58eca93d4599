"""What is believed and what is not: committees, receipts, certificates, tokens with their proofs, approvals."""

import copy
import json

import world
from formats import (
    Ed,
    Es,
    b64u,
    checkpoint,
    compact,
    drawn,
    framed,
    jws,
    leaf_hash,
    message,
    note,
    path_of,
    sha256,
    u32,
    u64,
)  # fmt: skip
from world import BASE, CLIENT, DEPLOYMENT, GALLERY, HALF, ISSUER, MINUTE, NODES, NOW, RELYING_PARTY, REQUEST_ID, SERVICE, SUBJECT

CONTEXT = sha256(b"tumar context v1" + sha256(b"a policy") + sha256(b"models"))
UNTIL = NOW + 86_400


# ------------------------------------------------------------------ committee
def signed_by(node, part):
    keys = [field for key, until in part["keys"] for field in (part.get("id") or key.id, key.public, u64(until))]
    return framed("tumar node v2", part["deployment"], u32(node.number), node.identity.public, part["log_key"], *keys,
                  part["suite"], part["context"])  # fmt: skip


def node_message(node, **changed):
    part = {"deployment": DEPLOYMENT, "log_key": node.log_key, "suite": world.SUITE, "context": CONTEXT}
    part["keys"] = [(node.envelope, UNTIL), (node.earlier, UNTIL - 86_400)]
    part |= changed
    signature = (part.get("by") or node.identity).sign(signed_by(node, part))
    keys = [message((1, part.get("id") or key.id), (2, key.public), (3, until)) for key, until in part["keys"]]
    return message((1, node.number), (2, part.get("identity") or node.identity.public), (3, part["log_key"]), (4, keys),
                   (5, part["suite"]), (6, part["context"]), (7, signature))  # fmt: skip


def committee():
    a, b, c = NODES
    good = [node_message(node) for node in NODES]
    stranger, other_log = Ed("somebody else"), world.Node("A")
    other_log.log_key = b.log_key
    models = [
        message((1, "fr512"), (2, 1), (3, 512), (4, 1)), message((1, "sface128"), (2, 1), (3, 128), (4, 1)),
        message((1, "leader-rows-3"), (2, 2), (3, 140), (4, 2)), message((1, "leader-fixed-1"), (2, 2), (3, 1024), (4, 1)),
    ]  # fmt: skip

    def answer(nodes, deployment=DEPLOYMENT, models=models):
        return message((1, deployment), (2, nodes), (3, models), (4, message((1, 655_360), (2, 32), (3, 86_400)))).hex()

    early = node_message(a, keys=[(a.envelope, UNTIL)])
    rows = [
        ("good", answer(good), None, None),
        ("a node that has one key as yet", answer([early, *good[1:]]), None, None),
        ("of another deployment", answer([node_message(n, deployment="kz-other") for n in NODES], "kz-other"), "deployment", None),
        ("two nodes", answer(good[:2]), "nodes", None),
        ("B and C exchanged", answer([good[0], good[2], good[1]]), "signature", "B"),
        ("keys that somebody else signed", answer([good[0], good[1], node_message(c, by=stranger)]), "signature", "C"),
        ("somebody else's identity, and signed by it", answer([node_message(a, by=stranger, identity=stranger.public), *good[1:]]), "signature", "A"),
        ("signed for another deployment", answer([good[0], node_message(b, deployment="kz-other"), good[2]]), "signature", "B"),
        ("another log", answer([node_message(other_log), *good[1:]]), "log_key", "A"),
        ("another suite", answer([good[0], node_message(b, suite="hpke-base+x25519+hkdf-sha256+aes-128-gcm"), good[2]]), "suite", "B"),
        ("another policy at C", answer([good[0], good[1], node_message(c, context=sha256(b"another"))]), "context", "C"),
        ("no envelope key", answer([good[0], node_message(b, keys=[]), good[2]]), "envelope_key", "B"),
        ("an envelope key under another's id", answer([good[0], good[1], node_message(c, id=bytes(8))]), "envelope_key", "C"),
        ("a model of no modality", answer(good, models=[message((1, "fr512"), (3, 512), (4, 1))]), "model", None),
    ]
    cases = [{"name": name, "answer": text, "fault": fault, "party": party} for name, text, fault, party in rows]
    part = {"deployment": DEPLOYMENT, "log_key": a.log_key, "suite": world.SUITE, "context": CONTEXT}
    part["keys"] = [(a.envelope, UNTIL), (a.earlier, UNTIL - 86_400)]
    ids = {node.letter: node.envelope.id.hex() for node in NODES}
    served = [["fr512", "face", "vector", 512], ["sface128", "face", "vector", 128],
              ["leader-rows-3", "finger", "rows", 140], ["leader-fixed-1", "finger", "vector", 1024]]  # fmt: skip
    limits = {"max_request_bytes": 655_360, "max_samples": 32, "request_retention_seconds": 86_400}
    return {"keys": ids, "until": UNTIL, "context": CONTEXT.hex(), "models": served, "limits": limits, "signed_by_a": signed_by(a, part).hex(), "cases": cases}


# ------------------------------------------------------------------ receipts
class Draft:
    """One node's receipt, for a case to spoil."""

    def __init__(self, node, outcome, rq, found=b"", size=7, index=4):
        self.node, self.outcome, self.rq, self.found, self.index = node, outcome, rq, found, index
        self.deployment, self.by, self.number = DEPLOYMENT, node.identity, node.number
        leaves = [leaf_hash(f"entry {i} of {node.letter}".encode()) for i in range(size)]
        self.leaf, self.path = leaves[index], path_of(leaves, index)
        self.origin = f"{node.log_name}/{HALF}"
        witness = Ed("a witness")
        self.note = note(checkpoint(self.origin, leaves), (self.origin, node.log), ("witness.example", witness))
        self.leaves = leaves

    def signed(self):
        return framed("tumar receipt v1", self.deployment, self.node.letter, WORDS[self.outcome], self.rq, u64(self.index),
                      self.leaf, sha256(self.note.encode()), self.found)  # fmt: skip

    def message(self):
        return message((1, self.number), (2, self.outcome), (3, self.rq), (4, self.index), (5, self.leaf), (6, self.path),
                       (7, self.note), (8, self.by.sign(self.signed())), (9, self.found))  # fmt: skip


WORDS = {1: "match", 2: "no_match", 3: "enrolled", 4: "erased", 5: "locked", 6: "unlocked", 7: "searched", 8: "logged",
         9: "had_none"}  # fmt: skip


def change(**members):
    def change(draft):
        for name, value in members.items():
            setattr(draft, name, value)

    return change


def renoted(make):
    def change(draft):
        draft.note = make(draft)

    return change


SPOILT = [
    ("C's is by somebody else", 2, change(by=Ed("somebody else")), "signature"),
    ("A's is of another deployment", 0, change(deployment="kz-other"), "signature"),
    ("B's note is signed by another key", 1,
     renoted(lambda d: note(checkpoint(d.origin, d.leaves), (d.origin, Ed("somebody else")))), "checkpoint"),
    ("B's note is signed under the name without the half-year", 1,
     renoted(lambda d: note(checkpoint(d.origin, d.leaves), (d.node.log_name, d.node.log))), "checkpoint"),
    ("A's note is of no half-year", 0,
     renoted(lambda d: note(checkpoint(d.node.log_name, d.leaves), (d.node.log_name, d.node.log))), "checkpoint"),
    ("A's note is of a third half", 0,
     renoted(lambda d: note(checkpoint(d.node.log_name + "/2026h3", d.leaves), (d.node.log_name + "/2026h3", d.node.log))), "checkpoint"),
    ("C's note has a fourth line", 2,
     renoted(lambda d: note(checkpoint(d.origin, d.leaves) + "more\n", (d.origin, d.node.log))), "checkpoint"),
    ("A's note has a false signature in its own name beside the good one", 0,
     renoted(lambda d: d.note + note("x\n", (d.origin, d.node.log)).split("\n\n")[1]), "checkpoint"),
    ("A's entry is another", 0, change(leaf=leaf_hash(b"another")), "inclusion"),
    ("A's path is too short", 0, lambda d: d.path.pop(), "inclusion"),
    ("A's path is too long", 0, lambda d: d.path.append(bytes(32)), "inclusion"),
    ("A's place is beyond the tree", 0, change(index=7), "inclusion"),
    ("B's is of another request", 1, change(rq=sha256(b"another")), "other_request"),
    ("C says that it does not match", 2, change(outcome=2), "outcome"),
    ("B has a result of a search", 1, change(found=sha256(b"found")), "found"),
    ("B's is A's", 1, change(number=1), "count"),
    ("A's outcome has no word", 0, change(outcome=10), "form"),
    ("C's transcript is cut", 2, change(rq=bytes(31)), "form"),
]  # fmt: skip
WORDS[10] = "nothing"


def receipts():
    call, envelopes = "VerifySubject", [drawn(f"a face for {letter}", 24) for letter in "ABC"]
    one = message((1, 1), (2, "fr512"), *zip((3, 4, 5), envelopes, strict=True))
    request = message((1, REQUEST_ID), (2, GALLERY), (3, SUBJECT), (4, "cash_withdrawal"), (5, 40_000), (6, [one]), (7, CLIENT), (8, MINUTE))
    rq = sha256(framed("tumar request v2", SERVICE + call, CLIENT, bytes.fromhex(REQUEST_ID.replace("-", "")), GALLERY, SUBJECT,
                       "cash_withdrawal", u64(40_000), u32(MINUTE), u64(1), "face", "fr512", *map(sha256, envelopes)))  # fmt: skip

    def drafts(outcome=1):
        return [Draft(node, outcome, rq, size=size, index=index) for node, size, index in zip(NODES, (7, 1, 300), (4, 0, 255), strict=True)]

    def case(name, drafts, fault=None, party=None):
        return {"name": name, "receipts": [draft.message().hex() for draft in drafts], "fault": fault, "party": party}

    good = drafts()
    cases = [case("good, a match", good), case("good, no match", drafts(2)), case("two of them", good[:2], "count")]
    cases += [case("all of another call", drafts(4), "outcome", "A")]
    for name, place, spoil, fault in SPOILT:
        spoilt = drafts()
        spoil(spoilt[place])
        cases.append(case(name, spoilt, fault, None if fault == "count" else "ABC"[place]))
    a = good[0]
    shown = {"signed": a.signed().hex(), "checkpoint": a.note, "leaf_hash": a.leaf.hex(), "log_index": a.index,
             "inclusion_proof": [h.hex() for h in a.path]}  # fmt: skip
    found = framed("tumar found v1", b"\1", "c-0042", "c-0007")
    found = {"candidates": ["c-0042", "c-0007"], "truncated": True, "bytes": found.hex(), "digest": sha256(found).hex()}
    return {"call": call, "message": request.hex(), "transcript": rq.hex(), "a": shown, "cases": cases, "found": found}


# ------------------------------------------------------------------ certificates
def certificates():
    rq = sha256(framed("tumar request v2", SERVICE + "EraseSubject", CLIENT, bytes.fromhex(REQUEST_ID.replace("-", "")), GALLERY,
                       SUBJECT, "erasure", u64(0), u32(0), u64(0)))  # fmt: skip

    def document(*outcomes):
        shown = []
        for node, outcome in zip(NODES, outcomes, strict=True):
            draft = Draft(node, outcome, rq)
            shown.append({
                "party": node.letter, "outcome": "had_none" if outcome == 9 else "erased", "log_index": draft.index, "leaf_hash": draft.leaf.hex(),
                "inclusion_proof": [h.hex() for h in draft.path], "checkpoint": draft.note,
                "signature": draft.by.sign(draft.signed()).hex(),
            })  # fmt: skip
        return {"kind": "tumar erasure certificate 3", "deployment": DEPLOYMENT, "client": CLIENT, "request_id": REQUEST_ID,
                "gallery": GALLERY, "subject": SUBJECT, "purpose": "erasure", "receipts": shown}  # fmt: skip

    good = document(4, 4, 4)
    cases = [("good", good, None), ("good, B had lost the person before", document(4, 9, 4), None)]
    cases.append(("nobody held anything", document(9, 9, 9), "receipt"))
    for name, fault, spoil in (
        ("of another person", "receipt", lambda d: d.update(subject="c-0043")),
        ("of another client", "receipt", lambda d: d.update(client="banks/b17/other")),
        ("of another gallery", "receipt", lambda d: d.update(gallery="banks/b17/staff")),
        ("of another request", "receipt", lambda d: d.update(request_id="7d444840-9dc0-4d2b-b5f5-1c3b8e0a5a12")),
        ("of another deployment", "deployment", lambda d: d.update(deployment="kz-other")),
        ("another kind", "form", lambda d: d.update(kind="tumar erasure certificate 2")),
        ("B's word is another than it signed", "receipt", lambda d: d["receipts"][1].update(outcome="had_none")),
        ("an outcome of another call", "form", lambda d: d["receipts"][0].update(outcome="locked")),
        ("a receipt without its outcome", "form", lambda d: d["receipts"][0].pop("outcome")),
        ("a member more", "form", lambda d: d.update(comment="")),
        ("a member less", "form", lambda d: d.pop("purpose")),
        ("two receipts", "form", lambda d: d["receipts"].pop()),
        ("a path in upper case", "form", lambda d: d["receipts"][0].update(inclusion_proof=["AA" * 32])),
        ("a signature's bit flipped", "receipt",
         lambda d: d["receipts"][2].update(signature=f"{int(d['receipts'][2]['signature'], 16) ^ 1:0128x}")),
        ("another place", "receipt", lambda d: d["receipts"][1].update(log_index=5)),
    ):  # fmt: skip
        spoilt = copy.deepcopy(good)
        spoil(spoilt)
        cases.append((name, spoilt, fault))
    cases.append(("of a lock, not of an erasure", document(5, 5, 5), "receipt"))
    return {"cases": [{"name": n, "text": json.dumps(d, indent=2, ensure_ascii=False) + "\n", "fault": f} for n, d, f in cases]}


# ------------------------------------------------------------------ tokens and proofs
def details(purpose="cash_withdrawal", action="verify", **more):
    return {"type": "urn:tumar:match:1", "purpose": purpose, "actions": [action], "relying_party": RELYING_PARTY,
            "galleries": [GALLERY], "modalities": ["face", "finger"], "max_uses": 1, **more}  # fmt: skip


class Token:
    """Token and proof of the request in receipts.json, for a case to spoil."""

    def __init__(self):
        self.issuer, self.client = world.ISSUER_KEY, world.PROOF_KEY
        self.header = {"typ": "at+jwt", "alg": "EdDSA", "kid": self.issuer.kid}
        self.claims = {
            "iss": ISSUER, "aud": f"urn:tumar:{DEPLOYMENT}", "client_id": CLIENT, "sub": CLIENT, "iat": NOW, "nbf": NOW,
            "exp": NOW + 300, "jti": b64u(drawn("id of a token", 16)), "cnf": {"jkt": self.client.kid},
            "authorization_details": [details()],
        }  # fmt: skip
        self.proof_header = {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": self.client.jwk}
        self.proof = {"htm": "POST", "htu": f"{BASE}{SERVICE}VerifySubject", "iat": NOW, "jti": b64u(drawn("id of a proof", 16)),
                      "rqh": b64u(bytes.fromhex(receipts()["transcript"]))}  # fmt: skip
        self.raw = self.proof_raw = lambda text: text

    def signed(self):
        token = jws(self.issuer, self.header, self.raw(compact(self.claims)))
        self.proof.setdefault("ath", b64u(sha256(token.encode())))
        return token, jws(self.client, self.proof_header, self.proof_raw(compact(self.proof)))


def by_p256(t):
    t.client = Es("another proof key")
    t.proof_header |= {"alg": "ES256", "jwk": t.client.jwk}
    t.claims["cnf"] = {"jkt": t.client.kid}


def element(**members):
    return lambda t: t.claims["authorization_details"][0].update(members)


def twice(t):
    t.raw = lambda text: text.replace(b'"purpose":', b'"purpose":"enrolment","purpose":')


NARROW = [{"type": "urn:tumar:match:1", "modalities": ["face"]}]
TOKENS = [
    (None, "as it is", lambda t: None),
    (None, "a proof by P-256", by_p256),
    (None, "no nbf, a jti with a colon, a legal basis, a proof with a kid",
     lambda t: (t.claims.pop("nbf"), t.claims.update(jti="trrtcc:0d9e0a2f-8a38-4f0d-8f54-7c1b1e1b6c11"),
                element(legal_basis="kz-aml")(t), t.proof_header.update(kid="a name"))),
    (None, "a jti of sixteen characters, here and in the proof", lambda t: (t.claims.update(jti="t" * 16), t.proof.update(jti="p" * 16))),
    (None, "aud as a list of one, alg Ed25519", lambda t: (t.claims.update(aud=[t.claims["aud"]]), t.header.update(alg="Ed25519"))),
    (None, "a proof that narrows", lambda t: t.proof.update(authorization_details=NARROW)),
    (None, "fractions of seconds, and claims that bind nothing", lambda t: t.claims.update(iat=NOW + 0.5, exp=NOW + 300.25, azp="x", scope="y")),
    ("TOKEN_MALFORMED", "a member twice", twice),
    ("TOKEN_TYPE", "another typ", lambda t: t.header.update(typ="JWT")),
    ("TOKEN_ALG", "RS256", lambda t: t.header.update(alg="RS256")),
    ("TOKEN_HEADER", "a member of the header more", lambda t: t.header.update(jku="https://a.example")),
    ("TOKEN_KID_UNKNOWN", "another kid", lambda t: t.header.update(kid=t.client.kid)),
    ("TOKEN_ALG_OF_KEY", "ES256 over an Ed25519 key", lambda t: t.header.update(alg="ES256")),
    ("TOKEN_SIGNATURE", "signed by somebody else", lambda t: setattr(t, "issuer", Ed("somebody else"))),
    ("TOKEN_CLAIMS", "no sub", lambda t: t.claims.pop("sub")),
    ("TOKEN_CLAIMS", "cnf with a member more", lambda t: t.claims["cnf"].update(kid="x")),
    ("TOKEN_JTI", "a jti of fifteen characters", lambda t: t.claims.update(jti="t" * 15)),
    ("TOKEN_DETAILS", "no uses", element(max_uses=0)),
    ("TOKEN_DETAILS", "1001 uses", element(max_uses=1001)),
    ("TOKEN_DETAILS", "a member that is not known", element(locations=[])),
    ("TOKEN_DETAILS", "two elements", lambda t: t.claims["authorization_details"].append(details())),
    ("TOKEN_DETAILS", "an object and not a list", lambda t: t.claims.update(authorization_details=details())),
    ("TOKEN_ISSUER", "another iss", lambda t: t.claims.update(iss="https://other.example")),
    ("ISSUER_RELYING_PARTY", "in another bank's name", element(relying_party="banks/b19")),
    ("TOKEN_AUDIENCE", "an audience more", lambda t: t.claims.update(aud=[t.claims["aud"], "account"])),
    ("TOKEN_NOT_YET_VALID", "of 31 seconds from now", lambda t: t.claims.update(iat=NOW + 31, exp=NOW + 300)),
    ("TOKEN_EXPIRED", "expired 30 seconds ago", lambda t: t.claims.update(iat=NOW - 200, nbf=NOW - 200, exp=NOW - 30)),
    ("TOKEN_TOO_LONG_LIVED", "301 seconds", lambda t: t.claims.update(exp=NOW + 301)),
    ("PROOF_TYPE", "another typ", lambda t: t.proof_header.update(typ="JWT")),
    ("PROOF_HEADER", "a member more", lambda t: t.proof_header.update(x5u="https://a.example")),
    ("PROOF_KEY", "its private key", lambda t: t.proof_header.update(jwk={**t.client.jwk, "d": b64u(bytes(32))})),
    ("PROOF_SIGNATURE", "signed by somebody else", lambda t: setattr(t, "client", Ed("somebody else"))),
    ("PROOF_CLAIMS", "no rqh", lambda t: t.proof.pop("rqh")),
    ("PROOF_HTM", "GET", lambda t: t.proof.update(htm="GET")),
    ("PROOF_HTU", "the address of another call", lambda t: t.proof.update(htu=f"{BASE}{SERVICE}EnrollSubject")),
    ("PROOF_NOT_YET_VALID", "of 31 seconds from now", lambda t: t.proof.update(iat=NOW + 31)),
    ("PROOF_EXPIRED", "61 seconds old", lambda t: t.proof.update(iat=NOW - 61)),
    ("PROOF_JTI", "a jti of fifteen characters", lambda t: t.proof.update(jti="p" * 15)),
    ("PROOF_DETAILS", "a narrowing to what is not known", lambda t: t.proof.update(authorization_details=[{**NARROW[0], "locations": []}])),
    ("PROOF_ATH", "of another token", lambda t: t.proof.update(ath=b64u(bytes(32)))),
    ("PROOF_RQH", "of another request", lambda t: t.proof.update(rqh=b64u(bytes(32)))),
    ("PROOF_RQH", "rqh in hexadecimal", lambda t: t.proof.update(rqh=receipts()["transcript"])),
    ("PROOF_KEY_OTHER", "by another key than the token's", lambda t: t.claims.update(cnf={"jkt": b64u(bytes(32))})),
    ("TOKEN_CLIENT", "a token for another client", lambda t: t.claims.update(client_id="banks/b17/other")),
]  # fmt: skip


def tokens():
    cases = []
    for reason, name, spoil in TOKENS:
        draft = Token()
        spoil(draft)
        token, proof = draft.signed()
        cases.append({"name": name, "token": token, "proof": proof, "reason": reason})
    good = Token()
    token, proof = good.signed()
    parts = {"header": good.header, "claims": good.claims, "proof_header": good.proof_header, "proof": good.proof,
             "token": token, "proof_token": proof}  # fmt: skip
    trusted = {"issuer": ISSUER, "relying_parties": [RELYING_PARTY], "bases": [BASE],
               "jwks": {"keys": [{**world.ISSUER_KEY.jwk, "kid": world.ISSUER_KEY.kid}]}}  # fmt: skip
    return {"now": NOW, "trusted": trusted, "issuer_key": world.ISSUER_KEY.pem(), "good": parts, "cases": cases}


# ------------------------------------------------------------------ approvals
class Sheet:
    def __init__(self, name, role):
        self.key = Ed(f"officer {name}")
        self.header = {"typ": "tumar-approval+jwt", "alg": "EdDSA", "kid": self.key.kid}
        self.claims = {
            "sub": name, "role": role, "iat": NOW, "jti": b64u(drawn(f"id of an approval by {name}", 16)),
            "aud": f"urn:tumar:{DEPLOYMENT}", "authorization_details": [details("case_search", "search")],
            "case": b64u(sha256(b"a case")),
        }  # fmt: skip

    def signed(self):
        return jws(self.key, self.header, self.claims)


OFFICERS = [("aida", "fraud-analyst"), ("bolat", "privacy-officer"), ("clara", "fraud-analyst")]
APPROVALS = [
    (None, "as they are", lambda s: s),
    (None, "the other way round, and just young enough", lambda s: [s[1], s[0], s[0].claims.update(iat=NOW - 900)][:2]),
    ("APPROVALS_MISSING", "one", lambda s: s[:1]),
    ("APPROVAL_MALFORMED", "a claim more", lambda s: [s[0], s[1], s[1].claims.update(scope="x")][:2]),
    ("APPROVAL_SAME_OFFICER", "one officer twice", lambda s: [s[0], s[0]]),
    ("APPROVAL_SAME_ROLE", "two of one role", lambda s: [s[0], Sheet(*OFFICERS[2])]),
    ("APPROVAL_OFFICER_UNKNOWN", "somebody else", lambda s: [s[0], Sheet("dina", "privacy-officer")]),
    ("APPROVAL_SIGNATURE", "signed by somebody else", lambda s: [s[0], s[1], setattr(s[1], "key", Ed("somebody else"))][:2]),
    ("APPROVAL_ROLE", "in a role that is not the officer's", lambda s: [s[0], s[1], s[1].claims.update(role="auditor")][:2]),
    ("APPROVAL_OTHER_DETAILS", "of two uses",
     lambda s: [s[0], s[1], s[1].claims["authorization_details"][0].update(max_uses=2)][:2]),
    ("APPROVAL_OTHER_CASE", "of another case", lambda s: [s[0], s[1], s[1].claims.update(case=b64u(bytes(32)))][:2]),
    ("APPROVAL_EXPIRED", "901 seconds old", lambda s: [s[0], s[1], s[0].claims.update(iat=NOW - 901)][:2]),
]  # fmt: skip


def approvals():
    cases = []
    for reason, name, spoil in APPROVALS:
        sheets = spoil([Sheet(*officer) for officer in OFFICERS[:2]])
        cases.append({"name": name, "approvals": [sheet.signed() for sheet in sheets], "reason": reason})
    keys = [
        {"name": name, "role": role, "relying_party": RELYING_PARTY, "jwk": Ed(f"officer {name}").jwk, "key": Ed(f"officer {name}").pem()}
        for name, role in OFFICERS
    ]
    aida = Sheet(*OFFICERS[0])
    return {
        "now": NOW, "case": sha256(b"a case").hex(), "details": details("case_search", "search"), "officers": keys,
        "roles": ["fraud-analyst", "privacy-officer"], "header": aida.header, "claims": aida.claims, "cases": cases,
    }  # fmt: skip
