"""Reads HL7 v2 messages (a JSON list on stdin) with the `hl7` package.

Writes, as JSON, what it found: per message a list of segments, each a list of fields, each a list of
components with escapes resolved. The subcomponents of a component stay joined by `&`.
"""

import json
import sys

import hl7

found = []
for text in json.load(sys.stdin):
    message = hl7.parse(text)
    segments = []
    for segment in message:
        fields = []
        for field in segment:
            # A field without a component separator is a bare text.
            repetitions = list(field)
            components = repetitions[0] if isinstance(repetitions[0], hl7.Repetition) else [field]
            fields.append([message.unescape(str(component)) for component in components])
        segments.append(fields)
    found.append(segments)
json.dump(found, sys.stdout)
