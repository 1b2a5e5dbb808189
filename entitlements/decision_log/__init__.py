"""What was decided, without secrets: one record a decision, kept before the answer leaves."""

from entitlements.decision_log.json_lines import JsonLinesLog, open_log
from entitlements.decision_log.record import DecisionLog, DecisionRecord

__all__ = ["DecisionLog", "DecisionRecord", "JsonLinesLog", "open_log"]
