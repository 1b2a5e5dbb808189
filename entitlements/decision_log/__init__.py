"""What was decided, without secrets: one record a decision, kept before the answer leaves."""

from entitlements.decision_log.json_lines import JsonLinesLog, open_log
from entitlements.decision_log.mask_keys import read_mask_keys
from entitlements.decision_log.masking import MASKED, Masking, MaskKey, ephemeral_key
from entitlements.decision_log.record import DecisionLog, DecisionRecord

__all__ = [
    "MASKED",
    "DecisionLog",
    "DecisionRecord",
    "JsonLinesLog",
    "MaskKey",
    "Masking",
    "ephemeral_key",
    "open_log",
    "read_mask_keys",
]
