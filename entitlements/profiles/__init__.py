"""Token profiles: how access tokens of real authorization servers are distinguished, as data and as one judge of it."""

from entitlements.profiles.introspecting import answer_misfit, answer_misfits, apart, introspected, kind_misfits
from entitlements.profiles.judging import (
    Misfit,
    client_of,
    for_audience,
    header_type,
    misfit,
    misfits,
    named_audiences,
    names_client,
    scopes_of,
    subject_of,
    told,
)
from entitlements.profiles.recognition import (
    Sample,
    drafted_rules,
    is_noise,
    is_other_than,
    looks_like,
    other_kind,
    recognised,
    refused_by,
)
from entitlements.profiles.remedies import TOPICS, remedy, server_of, topic_of
from entitlements.profiles.servers import AUDIENCE_IS, DOCUMENTED_ONLY, GENERIC, PROFILES
from entitlements.profiles.shaping import shaped

__all__ = [
    "AUDIENCE_IS",
    "DOCUMENTED_ONLY",
    "GENERIC",
    "PROFILES",
    "TOPICS",
    "Misfit",
    "Sample",
    "answer_misfit",
    "answer_misfits",
    "apart",
    "client_of",
    "drafted_rules",
    "for_audience",
    "header_type",
    "introspected",
    "is_noise",
    "is_other_than",
    "kind_misfits",
    "looks_like",
    "misfit",
    "misfits",
    "named_audiences",
    "names_client",
    "other_kind",
    "recognised",
    "refused_by",
    "remedy",
    "scopes_of",
    "server_of",
    "shaped",
    "subject_of",
    "told",
    "topic_of",
]
