"""The client against three nodes that run: enrol, verify, search, lock, unlock, erase; and the README's ten lines."""

import asyncio
import hashlib
import os
import random
import re
import secrets
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY

from tumar import (
    AsyncClient,
    Client,
    Details,
    ErasureCertificate,
    PersonKey,
    Prepared,
    Reason,
    ReceiptNotTrusted,
    Refusal,
    Search,
    SigningKey,
    Target,
    Template,
    Unanswered,
    approve,
    finger_rows,
    finger_vector,
    quantise,
)

GALLERY, BANK = "banks/b17/customers", "banks/b17"
ISSUER = "https://issuer.b17.dev.tumar.internal"
DICE = np.random.default_rng()


class Desk:
    """A bank's desk: a client and an issuer of tokens."""

    def __init__(self, folder: Path, client: Client | AsyncClient) -> None:
        self.client, self.issuer = client, SigningKey.read(folder / "issuer" / "issuer.pk8")
        self.subject = "py-" + secrets.token_hex(4)

    def token(self, purpose: str, action: str, *amr: str, modalities: tuple[str, ...] = ("face", "finger"), uses: int = 1) -> str:
        details = Details(purpose, (action,), BANK, (GALLERY,), modalities, uses)
        return self.client.claims(ISSUER, details, amr).mint(self.issuer)

    def about(self, purpose: str) -> Target:
        return Target(GALLERY, self.subject, purpose)


@pytest.fixture
def desk(nodes: Path) -> Desk:
    return Desk(nodes, Client.open(nodes / "client" / "client.toml"))


def face() -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return DICE.normal(size=128)


def like(face: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Template:
    """Another capture of it."""
    return quantise(face + DICE.normal(size=128) * 0.6)


def finger(dice: random.Random) -> list[tuple[int, int, int]]:
    return [(dice.randrange(100, 400), dice.randrange(100, 500), dice.randrange(256)) for _ in range(40)]


def record(minutiae: list[tuple[int, int, int]], by: int = 0) -> bytes:
    """An ISO/IEC 19794-2:2005 record of a finger, put down so many pixels aside."""
    rows = b"".join(struct.pack(">HHBB", 1 << 14 | x + by, y - by, angle, 80) for x, y, angle in minutiae)
    head = b"FMR\0 20\0" + struct.pack(">IHHHHHBB", 30 + len(rows), 0, 500, 600, 197, 197, 1, 0)
    return head + struct.pack(">BBBB", 0, 0, 80, len(minutiae)) + rows + b"\0\0"


def enrolled(desk: Desk, *references: tuple[str, Template]) -> PersonKey:
    assert isinstance(desk.client, Client)
    person, receipts = desk.client.enroll(desk.token("enrolment", "enroll", "registry_check"), desk.about("enrolment"), references)
    assert receipts.outcome == "enrolled"
    return person


def verify(desk: Desk, *probes: tuple[str, Template], amount: int = 40_000) -> bool:
    assert isinstance(desk.client, Client)
    return desk.client.verify(desk.token("cash_withdrawal", "verify"), desk.about("cash_withdrawal"), probes, amount).matched


def test_a_person_is_enrolled_told_from_a_stranger_and_erased(desk: Desk, nodes: Path, tmp_path: Path) -> None:
    own, dice = face(), random.Random(desk.subject)
    print_, other = finger(dice), finger(dice)
    enrolled(desk, ("sface128", quantise(own)), ("leader-rows-3", finger_rows(record(print_))))
    assert verify(desk, ("sface128", like(own)))
    assert not verify(desk, ("sface128", quantise(face())))
    assert verify(desk, ("leader-rows-3", finger_rows(record(print_, by=9))))
    assert not verify(desk, ("leader-rows-3", finger_rows(record(other))))
    assert isinstance(desk.client, Client)
    certificate = desk.client.erase(desk.token("erasure", "erase", modalities=()), desk.about("erasure"))
    again = ErasureCertificate.from_json(certificate.to_json())
    again.verify(desk.client.config.nodes, "dev")
    with pytest.raises(ReceiptNotTrusted):
        ErasureCertificate({**again.document, "subject": "somebody-else"}).verify(desk.client.config.nodes, "dev")
    with pytest.raises(Refusal) as refused:
        verify(desk, ("sface128", like(own)))
    assert (refused.value.reason, refused.value.node) == (Reason.SUBJECT_UNKNOWN, "A")
    # The service's own command takes the certificate.
    (tmp_path / "certificate.json").write_text(certificate.to_json())
    toml = str(nodes / "client" / "client.toml")
    subprocess.run([os.environ["TUMAR"], "certificate", str(tmp_path / "certificate.json"), "--client", toml], check=True)


def test_a_locked_person_is_refused_until_unlocked(desk: Desk) -> None:
    own = face()
    enrolled(desk, ("sface128", quantise(own)))
    assert isinstance(desk.client, Client)
    locked = desk.client.lock(desk.token("subject_lock", "lock", modalities=()), desk.about("subject_lock"))
    assert locked.outcome == "locked"
    with pytest.raises(Refusal) as refused:
        verify(desk, ("sface128", like(own)))
    assert refused.value.reason is Reason.SUBJECT_LOCKED
    with pytest.raises(Refusal) as without:
        desk.client.unlock(desk.token("subject_unlock", "unlock", modalities=()), desk.about("subject_unlock"))
    assert without.value.reason is Reason.EVIDENCE_MISSING
    token = desk.token("subject_unlock", "unlock", "registry_check", modalities=())
    assert desk.client.unlock(token, desk.about("subject_unlock")).outcome == "unlocked"
    assert verify(desk, ("sface128", like(own)))


def test_a_search_that_two_officers_approved_names_the_person(desk: Desk, nodes: Path) -> None:
    own, dice = face(), random.Random(desk.subject)
    print_ = finger(dice)
    enrolled(desk, ("sface128", quantise(own)), ("leader-fixed-1", finger_vector(record(print_))))
    assert isinstance(desk.client, Client)
    case, details = hashlib.sha256(b"case 17").digest(), Details("case_search", ("search",), BANK, (GALLERY,))
    officers = (("aida", "fraud-analyst"), ("bolat", "privacy-officer"))
    approvals = tuple(approve(SigningKey.read(nodes / "officers" / f"{n}.pk8"), n, r, "dev", details, case) for n, r in officers)
    told: list[tuple[int, int]] = []
    for probe in (("sface128", like(own)), ("leader-fixed-1", finger_vector(record(print_, by=6)))):
        token = desk.client.claims(ISSUER, details).mint(desk.issuer)
        found = desk.client.search(token, Search(GALLERY, "case_search", case, approvals), [probe], watch=lambda *of: told.append(of))
        assert (found.candidates, found.truncated) == ([desk.subject], False)
    assert told
    with pytest.raises(Refusal) as alone:
        token = desk.client.claims(ISSUER, details).mint(desk.issuer)
        desk.client.search(token, Search(GALLERY, "case_search", case, approvals[:1]), [("sface128", like(own))])
    assert alone.value.reason is Reason.APPROVALS_MISSING


def test_the_same_bytes_get_the_same_receipts_and_sealed_anew_is_another_request(desk: Desk) -> None:
    own = face()
    enrolled(desk, ("sface128", quantise(own)))
    assert isinstance(desk.client, Client)
    about = desk.about("cash_withdrawal")
    prepared = Prepared.from_bytes(desk.client.prepare_verification(about, [("sface128", like(own))], 5).to_bytes())
    first = desk.client.send(desk.token("cash_withdrawal", "verify"), prepared)
    # By another token, as after a crash.
    assert desk.client.send(desk.token("cash_withdrawal", "verify"), prepared) == first
    anew = desk.client.prepare_verification(about, [("sface128", like(own))], 5)
    anew.message.request_id = prepared.message.request_id
    with pytest.raises(Refusal) as reused:
        desk.client.send(desk.token("cash_withdrawal", "verify"), anew)
    assert reused.value.reason is Reason.REQUEST_ID_REUSED


def test_a_refusal_says_who_and_where(desk: Desk) -> None:
    own = quantise(face())
    assert isinstance(desk.client, Client)
    about = desk.about("cash_withdrawal")
    with pytest.raises(Refusal) as other:
        desk.client.verify(desk.token("card_activation", "verify"), about, [("sface128", own)])
    assert (other.value.reason, other.value.node) == (Reason.PURPOSE_NOT_GRANTED, "A")
    with pytest.raises(Refusal) as form:
        desk.client.verify(desk.token("cash_withdrawal", "verify"), Target(GALLERY, "no such name", about.purpose), [("sface128", own)])
    assert (form.value.reason, form.value.field) == (Reason.REQUEST_INVALID, "subject")
    with pytest.raises(Refusal) as claim:
        desk.client.verify(desk.token("cash_withdrawal", "verify") + "x", about, [("sface128", own)])
    assert claim.value.reason in (Reason.TOKEN_SIGNATURE, Reason.TOKEN_MALFORMED)


def test_whoever_is_not_pinned_is_not_believed(nodes: Path, tmp_path: Path) -> None:
    folder = nodes / "client"
    text = (folder / "client.toml").read_text().replace('"../', f'"{nodes}/').replace("proof.pk8", str(folder / "proof.pk8"))
    # B's certificate for A's address.
    (tmp_path / "client.toml").write_text(text.replace("a/keys/tls.crt", "b/keys/tls.crt"))
    with pytest.raises(Unanswered):
        Client.open(tmp_path / "client.toml")


def test_asyncio_does_the_same(nodes: Path) -> None:
    async def all_of_it() -> None:
        async with await AsyncClient.open(nodes / "client" / "client.toml") as client:
            desk, own = Desk(nodes, client), face()
            token = desk.token("enrolment", "enroll", "registry_check")
            await client.enroll(token, desk.about("enrolment"), [("sface128", quantise(own))])
            probes, token = [like(own), like(own), quantise(face())], desk.token("cash_withdrawal", "verify", uses=3)
            about = desk.about("cash_withdrawal")
            tried = await asyncio.gather(*(client.verify(token, about, [("sface128", probe)]) for probe in probes))
            assert [one.matched for one in tried] == [True, True, False]
            await client.lock(desk.token("subject_lock", "lock", modalities=()), desk.about("subject_lock"))
            with pytest.raises(Refusal) as refused:
                await client.verify(desk.token("cash_withdrawal", "verify"), about, [("sface128", like(own))])
            assert refused.value.reason is Reason.SUBJECT_LOCKED
            token = desk.token("subject_unlock", "unlock", "registry_check", modalities=())
            await client.unlock(token, desk.about("subject_unlock"))
            certificate = await client.erase(desk.token("erasure", "erase", modalities=()), desk.about("erasure"))
            certificate.verify(client.config.nodes, "dev")

    asyncio.run(all_of_it())


def test_the_ten_lines_of_the_readme(nodes: Path) -> None:
    readme = (REPOSITORY / "clients" / "python" / "README.md").read_text()
    (lines,) = re.findall(r"^```python\n(.*?)^```$", readme, re.M | re.S)
    assert 8 <= len([line for line in lines.splitlines() if line]) <= 12
    ran = subprocess.run([sys.executable, "-c", lines], cwd=nodes.parent, capture_output=True, text=True)
    assert ran.stdout == "True\nFalse\n", ran.stderr
