"""Tumar's client: enrol and verify faces and fingerprints that no server ever holds. The README beside it has ten lines to begin with."""

from .aio import AsyncClient
from .client import Client
from .committee import Committee, Model
from .config import ClientConfig, NodePin
from .errors import (
    CertificateFault,
    CertificateNotTrusted,
    CommitteeFault,
    CommitteeNotTrusted,
    InputError,
    NotTrusted,
    ReceiptFault,
    ReceiptNotTrusted,
    Refusal,
    TumarError,
    Unanswered,
)
from .finger import FingerError, finger_rows, finger_vector
from .folder import FolderError, RowsModel
from .keys import SigningKey
from .reasons import Reason
from .receipts import ErasureCertificate, Receipt, Receipts
from .request import Prepared, Search, Target
from .session import Searched, Verified
from .sharing import Binding, EnvelopeKey, PersonKey, seal_sample, split
from .template import Template, quantise
from .tokens import Details, Proof, TokenClaims, approve

__all__ = [
    "AsyncClient", "Binding", "CertificateFault", "CertificateNotTrusted", "Client", "ClientConfig", "Committee", "CommitteeFault",
    "CommitteeNotTrusted", "Details", "EnvelopeKey", "ErasureCertificate", "FingerError", "FolderError", "InputError", "Model", "NodePin",
    "NotTrusted", "PersonKey", "Prepared", "Proof", "Reason", "Receipt", "ReceiptFault", "ReceiptNotTrusted", "Receipts",
    "Refusal", "RowsModel", "Search", "Searched", "SigningKey", "Target", "Template", "TokenClaims", "TumarError", "Unanswered",
    "Verified", "approve", "finger_rows", "finger_vector", "quantise", "seal_sample", "split",
]  # fmt: skip
