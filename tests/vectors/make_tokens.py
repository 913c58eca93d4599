#!/usr/bin/env python3
"""Writes tokens.txt: access tokens and proofs made without any line of Tumar's own code.

Needs `cryptography`. Keys are fixed and Ed25519 is deterministic; ES256 signatures are drawn anew at each run.
"""
import base64
import hashlib
import json
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW = 1_800_000_000
BASE = "https://tumar.example:8443"
PATH = "/tumar.v1.MatchingService/VerifySubject"


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def text(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Ed:
    alg = "EdDSA"

    def __init__(self, seed):
        self.key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.jwk = {"crv": "Ed25519", "kty": "OKP", "x": b64(self.key.public_key().public_bytes_raw())}

    def sign(self, message):
        return self.key.sign(message)


class Es:
    alg = "ES256"

    def __init__(self, seed):
        self.key = ec.derive_private_key(int.from_bytes(bytes([seed]) * 32, "big"), ec.SECP256R1())
        at = self.key.public_key().public_numbers()
        self.jwk = {"crv": "P-256", "kty": "EC", "x": b64(at.x.to_bytes(32, "big")), "y": b64(at.y.to_bytes(32, "big"))}

    def sign(self, message):
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def thumbprint(jwk):
    return b64(hashlib.sha256(json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode()).digest())


def jws(key, header, payload):
    signed = f"{b64(header)}.{b64(payload)}"
    return f"{signed}.{b64(key.sign(signed.encode()))}"


def transcript():
    """The request in tests/parts/tokens.rs: SHA-256 over every field, each with its length in front."""
    request_id = bytearray([7] * 16)
    request_id[6] = request_id[6] & 0x0F | 0x40
    request_id[8] = request_id[8] & 0x3F | 0x80
    fields = [b"tumar request v2", PATH.encode(), b"b17-atm", bytes(request_id), b"banks/b17/customers", b"c-0042",
              b"cash_withdrawal", struct.pack(">Q", 40_000), struct.pack(">I", NOW // 60), struct.pack(">Q", 1), b"face", b"fr512", bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32]
    return b64(hashlib.sha256(b"".join(struct.pack(">Q", len(field)) + field for field in fields)).digest())


def access_claims(jkt):
    return {
        "iss": "https://issuer.example", "aud": ["urn:tumar:kz-test"], "client_id": "b17-atm", "sub": "b17-atm",
        "iat": NOW, "nbf": NOW, "exp": NOW + 300, "jti": "AAAAAAAAAAAAAAAAAAAAAA", "cnf": {"jkt": jkt}, "scope": "match",
        "authorization_details": [{
            "type": "urn:tumar:match:1", "purpose": "cash_withdrawal", "actions": ["verify"], "relying_party": "banks/b17",
            "galleries": ["banks/b17/customers"], "modalities": ["face", "finger"], "max_uses": 1, "legal_basis": "kz-aml"}],
    }


def proof_claims(access):
    return {"htm": "POST", "htu": BASE + PATH, "iat": NOW, "jti": "BBBBBBBBBBBBBBBBBBBBBB",
            "ath": b64(hashlib.sha256(access.encode()).digest()), "rqh": transcript()}


def case(out, title, issuer, client, header=None, claims=None, proof=None, fails=None, access_bytes=None, proof_bytes=None):
    """One vector. `header`, `claims` and `proof` change what is signed; `*_bytes` change the JSON text itself."""
    kid = thumbprint(issuer.jwk)
    head = {"typ": "at+jwt", "alg": issuer.alg, "kid": kid}
    body = access_claims(thumbprint(client.jwk))
    (header or (lambda _: None))(head)
    (claims or (lambda _: None))(body)
    access = jws(issuer, text(head), (access_bytes or (lambda raw: raw))(text(body)))
    proof_head = {"typ": "dpop+jwt", "alg": client.alg, "jwk": client.jwk}
    proof_body = proof_claims(access)
    (proof or (lambda _h, _c: None))(proof_head, proof_body)
    proved = jws(client, text(proof_head), (proof_bytes or (lambda raw: raw))(text(proof_body)))
    out.append(f"# {title}\njwks = {json.dumps({'keys': [dict(issuer.jwk, kid=kid)]})}\naccess = {access}\nproof = {proved}")
    out.append(f"FAILS = {fails}\n" if fails else "OK\n")


def main():
    ed, es = (Ed(1), Ed(2)), (Es(3), Es(4))
    out = ["# Made by make_tokens.py; do not edit.\n"]
    case(out, "issuer and client on Ed25519", *ed)
    case(out, "issuer and client on P-256", *es)
    case(out, "issuer on Ed25519, client on P-256", ed[0], es[1])
    narrow = [{"type": "urn:tumar:match:1", "modalities": ["face"]}]
    case(out, "a proof that narrows", *ed, proof=lambda h, c: c.update(authorization_details=narrow))
    case(out, "the key says Ed25519, the header ES256", *ed, header=lambda h: h.update(alg="ES256"), fails="TOKEN_ALG_OF_KEY")
    case(out, "no algorithm", *ed, header=lambda h: h.update(alg="none"), fails="TOKEN_ALG")
    case(out, "an HMAC", *ed, header=lambda h: h.update(alg="HS256"), fails="TOKEN_ALG")
    case(out, "something critical", *ed, header=lambda h: h.update(crit=["exp"]), fails="TOKEN_HEADER")
    case(out, "the token brings its own key", *ed, header=lambda h: h.update(jwk=ed[1].jwk), fails="TOKEN_HEADER")
    for member in ("jku", "x5u"):
        case(out, f"the token says where its key is: {member}", *ed,
             header=lambda h: h.update({member: "https://evil.example"}), fails="TOKEN_HEADER")
    case(out, "purpose twice in an inner object", *ed, fails="TOKEN_MALFORMED",
         access_bytes=lambda raw: raw.replace(b'"purpose":', b'"purpose":"enrolment","purpose":'))
    case(out, "an unknown member twice", *ed, fails="TOKEN_MALFORMED",
         access_bytes=lambda raw: raw.replace(b'"scope":', b'"scope":"x","sc\\u006fpe":'))
    case(out, "an issuer in the name of another bank", *ed, fails="ISSUER_RELYING_PARTY",
         claims=lambda c: c["authorization_details"][0].update(relying_party="banks/b19", galleries=["banks/b19/customers"]))
    case(out, "the binding as a list", *ed, fails="TOKEN_CLAIMS", claims=lambda c: c.update(cnf=[c["cnf"]["jkt"], None]))
    case(out, "another request", *ed, proof=lambda h, c: c.update(rqh=b64(bytes(32))), fails="PROOF_RQH")
    case(out, "a proof that shows its private key", *ed, fails="PROOF_KEY",
         proof=lambda h, c: h.update(jwk=dict(h["jwk"], d=b64(bytes(32)))))
    case(out, "htm twice", *ed, fails="PROOF_MALFORMED", proof_bytes=lambda raw: raw.replace(b'"htm":', b'"htm":"GET","htm":'))
    case(out, "an unknown member of the narrowing", *ed, fails="PROOF_DETAILS",
         proof=lambda h, c: c.update(authorization_details=[dict(narrow[0], locations=[])]))
    with open("tokens.txt", "w", encoding="ascii") as file:
        file.write("\n".join(out))


if __name__ == "__main__":
    main()
