"""Checks the one JSON object of `tumar demo --json`."""

import json
import sys

report = json.load(open(sys.argv[1]))
genuine, impostor = report["genuine"], report["impostor"]
faults = []
if report["people"] < 2 or genuine["attempts"] < 1 or impostor["attempts"] < 1:
    faults.append("nobody was verified")
if report["wrong_bits"] != 0:
    faults.append(f"{report['wrong_bits']} wrong bits")
for decision in report["decisions"]:
    of_all = decision["genuine"]["attempts"], decision["genuine"]["matches"]
    # Of real people some are missed; nearly all must match, by everything that there is.
    if of_all[0] < 10 or of_all[1] < 0.8 * of_all[0]:
        faults.append(f"by {decision['decision']}: {of_all[1]} of {of_all[0]} genuine attempts matched")
    if decision["impostor"]["matches"] > 1:
        faults.append(f"by {decision['decision']}: {decision['impostor']['matches']} impostors matched")
if [decision["decision"] for decision in report["decisions"]] != ["face", "finger", "both", "fused"]:
    faults.append("not every decision was tried")
if not report["protections"]:
    faults.append("no protection was tried")
for protection in report["protections"]:
    if not protection["ok"]:
        faults.append(f"{protection['name']}: {protection['reason']}")
if report["logs_agree"] is not True:
    faults.append("the logs do not agree")
latency = report["latency_ms"]
print(
    f"{report['people']} people ({report['data']}), genuine {genuine['matches']} of {genuine['attempts']} matched, "
    f"impostor {impostor['matches']} of {impostor['attempts']}, wrong bits {report['wrong_bits']}, "
    f"{len(report['protections'])} protections, p50 {latency['p50']} ms, p99 {latency['p99']} ms, "
    f"logs agree: {report['logs_agree']}"
)
if faults:
    sys.exit("not as it should be: " + "; ".join(faults))
