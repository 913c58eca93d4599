"""Who the nodes are, by their own signed word, held against the keys that are pinned."""

from dataclasses import dataclass

from .config import ClientConfig, NodePin
from .errors import CommitteeFault, CommitteeNotTrusted, InputError
from .framing import framed, u32, u64
from .log import is_signed
from .sharing import SUITE_NAME, EnvelopeKey
from .template import Template
from .v1 import committee_pb2 as pb

MODALITIES: dict[int, str] = {1: "face", 2: "finger"}


@dataclass(frozen=True)
class Model:
    """An extractor that the nodes serve. By the leader's word alone: a false one leads to a refusal, not to a disclosure."""

    id: str
    modality: str
    is_rows: bool
    dimension: int
    """Components of a vector, or of each row."""

    def takes(self, template: Template) -> bool:
        """Whether the model makes templates of this shape."""
        return template.columns == self.dimension and (template.rows > 1) == self.is_rows


@dataclass(frozen=True)
class Committee:
    """A checked answer to GetCommittee."""

    keys: tuple[EnvelopeKey, EnvelopeKey, EnvelopeKey]
    """The current key of A, B and C."""
    until: int
    """Unix seconds until which all three are taken."""
    models: dict[str, Model]
    context: bytes
    """SHA-256 over policy and models in force, the same at all three nodes."""

    @classmethod
    def check(cls, answer: pb.GetCommitteeResponse, config: ClientConfig) -> "Committee":
        """CommitteeNotTrusted: the first fault that is found."""
        if answer.deployment != config.deployment:
            raise CommitteeNotTrusted(CommitteeFault.DEPLOYMENT)
        if len(answer.nodes) != 3:
            raise CommitteeNotTrusted(CommitteeFault.NODES)
        context = answer.nodes[0].context_digest
        checked = [_node(node, pin, context, config.deployment) for node, pin in zip(answer.nodes, config.nodes, strict=True)]
        if len(context) != 32:
            raise CommitteeNotTrusted(CommitteeFault.CONTEXT, "A")
        (a, of_a), (b, of_b), (c, of_c) = checked
        return cls((a, b, c), min(of_a, of_b, of_c), {model.id: _model(model) for model in answer.models}, context)

    def model(self, name: str, template: Template) -> Model:
        """The model of this name, which makes templates of this shape."""
        model = self.models.get(name)
        if model is None:
            raise InputError(f"the nodes serve no model {name}")
        if not model.takes(template):
            raise InputError(f"the model {name} makes no templates of {template.rows}x{template.columns}")
        return model


def _node(node: pb.Node, pin: NodePin, context: bytes, deployment: str) -> tuple[EnvelopeKey, int]:
    def untrusted(fault: CommitteeFault) -> CommitteeNotTrusted:
        return CommitteeNotTrusted(fault, pin.party)

    is_pinned = node.party == "?ABC".index(pin.party) and node.identity_key == pin.identity
    if not is_pinned or not is_signed(pin.identity, node.signature, node_message(node, deployment)):
        raise untrusted(CommitteeFault.SIGNATURE)
    if node.log_key != str(pin.log_key):
        raise untrusted(CommitteeFault.LOG_KEY)
    if node.suite != SUITE_NAME:
        raise untrusted(CommitteeFault.SUITE)
    if node.context_digest != context:
        raise untrusted(CommitteeFault.CONTEXT)
    if not node.envelope_keys:
        raise untrusted(CommitteeFault.ENVELOPE_KEY)
    current = node.envelope_keys[0]
    try:
        key = EnvelopeKey(current.public_key)
    except ValueError as error:
        raise untrusted(CommitteeFault.ENVELOPE_KEY) from error
    if key.id != current.id:
        raise untrusted(CommitteeFault.ENVELOPE_KEY)
    return key, current.until


def node_message(node: pb.Node, deployment: str) -> bytes:
    """What a node signs of its keys."""
    keys: list[bytes] = []
    for key in node.envelope_keys:
        keys += [key.id, key.public_key, u64(key.until)]
    return framed(
        "tumar node v2", deployment, u32(node.party), node.identity_key, node.log_key, *keys, node.suite, node.context_digest
    )


def _model(model: pb.Model) -> Model:
    if model.modality not in MODALITIES or model.encoding not in (1, 2) or not model.id:
        raise CommitteeNotTrusted(CommitteeFault.MODEL)
    return Model(model.id, MODALITIES[model.modality], model.encoding == 2, model.dimension)
