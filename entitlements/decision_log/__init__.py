"""What was decided, without secrets: one record a decision, kept before the answer leaves."""

from entitlements.decision_log.json_lines import JsonLinesLog, open_log
from entitlements.decision_log.line import LineTemplate, line_template
from entitlements.decision_log.mask_keys import read_mask_keys
from entitlements.decision_log.masking import MASKED, Masking, MaskKey, ephemeral_key
from entitlements.decision_log.record import DecisionLog, DecisionRecord, LoopLog

__all__ = [
    "MASKED",
    "DecisionLog",
    "DecisionRecord",
    "JsonLinesLog",
    "LineTemplate",
    "LoopLog",
    "MaskKey",
    "Masking",
    "ephemeral_key",
    "line_template",
    "open_log",
    "read_mask_keys",
]
